"""A limit of bytes per second that several threads share."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

#: what may go at once after a pause
BURST_S = 0.1


@dataclass
class Throttle:
    """Lets bytes pass evenly; ``bytes_per_s`` None lets all pass."""

    bytes_per_s: float | None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    #: when all that was let pass is through
    _through_s: float = 0.0

    def wait(self, count: int) -> None:
        """Wait until so many more bytes may go."""
        if self.bytes_per_s is None:
            return
        with self._lock:
            now = time.monotonic()
            self._through_s = max(self._through_s, now - BURST_S) + count / self.bytes_per_s
            pause_s = self._through_s - now
        if pause_s > 0:
            time.sleep(pause_s)
