"""Code that modules share and that runs on the nodes."""
