"""What the controller knows: cluster configuration, inventory, manifests and artifacts."""
