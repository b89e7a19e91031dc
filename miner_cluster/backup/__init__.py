"""Backups: dated directories with what a cluster has and can't be made again, and the way back."""
