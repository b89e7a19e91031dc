"""The archive for whoever helps."""
