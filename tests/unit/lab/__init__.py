"""Tests of the lab's machines."""
