"""The images of a node's containerd; runs on the nodes' own Python with the standard library alone."""
