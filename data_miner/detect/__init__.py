"""What happens to boxes around a detector: tiles before it, thresholds and suppression after it."""
