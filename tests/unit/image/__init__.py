"""Tests of the workers' image and of bringing images to nodes, without buildah and containerd."""
