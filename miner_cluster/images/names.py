"""Image references as containerd writes them."""

from __future__ import annotations

_HUB = "docker.io"


def normalise(reference: str) -> str:
    """Return a reference with its registry and tag, as containerd and the kubelet store it.

    ``data-miner:lab`` becomes ``docker.io/library/data-miner:lab``. A first part with a dot or a port, or
    ``localhost``, is a registry of its own: ``lab.local/postgres:15`` stays as it is.
    """
    first, slash, rest = reference.partition("/")
    if not slash:
        named = f"{_HUB}/library/{reference}"
    elif "." in first or ":" in first or first == "localhost":
        named = reference if first != _HUB or "/" in rest else f"{_HUB}/library/{rest}"
    else:
        named = f"{_HUB}/{reference}"
    last = named.rpartition("/")[2]
    return named if ":" in last or "@" in last else f"{named}:latest"
