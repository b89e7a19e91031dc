"""The unit that runs k3s on a machine, for modules that start it anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .node_state import systemd

K3S = Path("/usr/local/bin/k3s")
#: what such modules take; their documentation is in doc_fragments
ARGUMENTS: dict[str, Any] = {
    "unit": {"type": "str", "choices": ["k3s", "k3s-agent"], "required": True},
    "start_timeout_s": {"type": "int", "default": 300},
}


def start(unit: str, start_timeout_s: float, *, restart: bool) -> None:
    """Start k3s and wait until it is up.

    Raises:
        StateError: it does not come up in time.
    """
    systemd.start(systemd.full_name(unit), restart=restart, timeout_s=start_timeout_s)


def stop(unit: str) -> None:
    """Stop k3s; pods go on.

    Raises:
        StateError: it does not end.
    """
    systemd.stop(systemd.full_name(unit))
