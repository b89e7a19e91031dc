"""Tests of node_state: the pure plan, and the module's two actions on real directories."""
