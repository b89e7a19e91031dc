"""A node's wanted state: read the machine, plan the difference, apply it.

Runs on the nodes' own Python (3.10 or newer) with nothing but the standard library.
"""
