"""Backups: dated directories, what is in them, and the way back."""
