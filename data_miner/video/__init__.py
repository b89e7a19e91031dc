"""Decoding: which frames of a video are looked at, and how they become pictures."""
