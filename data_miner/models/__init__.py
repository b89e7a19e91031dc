"""The models: where they come from, and the little that the stages ask of them."""
