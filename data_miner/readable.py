"""Numbers as people read them."""

from __future__ import annotations

_GIB = 1 << 30
_MIB = 1 << 20


def size(size_bytes: int) -> str:
    """Return a size as people read it."""
    if size_bytes >= _GIB:
        return f"{size_bytes / _GIB:.1f} GiB"
    return f"{size_bytes / _MIB:.1f} MiB"


def duration(seconds: float) -> str:
    """Return a length of time as people read it."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s"
