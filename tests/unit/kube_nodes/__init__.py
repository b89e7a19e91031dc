"""Tests of the labels of nodes."""
