"""Telling which frames show the same: perceptual hashes, search by similarity, who represents a group."""
