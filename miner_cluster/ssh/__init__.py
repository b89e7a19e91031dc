"""How the controller and the machines know each other: the cluster's key, and the machines' host keys."""
