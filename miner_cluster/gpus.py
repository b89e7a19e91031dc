"""What preflight's look at a machine says of its GPUs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def found(look: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return the ``gpus`` of a machine and what is ``missing`` for their use; None where nobody has looked.

    Args:
        look: the machine's variable ``_preflight_look``, where it has one.
    """
    facts = (look or {}).get("facts")
    return facts["nvidia"] if facts else None
