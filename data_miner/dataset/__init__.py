"""The dataset that a project's results make up: read, and written for others to use."""
