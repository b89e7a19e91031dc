"""Values that may be some seconds old, so that many who look cost the database no more than one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, TypeVar, cast

T = TypeVar("T")


class Recent:
    """Keeps what was found last.

    Args:
        seconds: how old a value may be.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._found: dict[Hashable, tuple[float, Any]] = {}

    def get(self, key: Hashable, find: Callable[[], T]) -> T:
        """Return the value of a key; one at a time finds it anew, and the others wait for that."""
        with self._lock:
            at, value = self._found.get(key, (0.0, None))
            if key not in self._found or time.monotonic() - at > self._seconds:
                value = find()
                self._found[key] = time.monotonic(), value
            return cast("T", value)
