"""Rendering, as the unit tests do it."""

from tests.unit.cluster.conftest import render

__all__ = ["render"]
