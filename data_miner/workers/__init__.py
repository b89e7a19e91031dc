"""What workers do: one module for each stage, and the loop that they share."""
