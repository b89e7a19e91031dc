"""Tests of what an uninstall of k3s recognises."""
