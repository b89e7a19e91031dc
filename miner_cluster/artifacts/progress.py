"""What the user sees while artifacts are made: a line at the start, one every 15 s, one at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

INTERVAL_S = 15.0


def to_stderr(line: str) -> None:
    """Write a line where a person at the terminal sees it at once."""
    print(line, file=sys.stderr, flush=True)


@dataclass
class Progress:
    """Writes lines, from any thread; ``write`` None writes none."""

    write: Callable[[str], None] | None = to_stderr
    interval_s: float = INTERVAL_S
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def say(self, text: str) -> None:
        """Write one line."""
        if self.write is not None:
            with self._lock:
                self.write(text)

    @contextmanager
    def during(self, name: str, activity: str) -> Iterator[None]:
        """Write how long it has been going on, every now and then, until the block ends."""
        done = threading.Event()
        start = time.monotonic()

        def tell() -> None:
            while not done.wait(self.interval_s):
                self.say(f"{name}: still {activity}, {time.monotonic() - start:.0f} s")

        thread = threading.Thread(target=tell, daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()


def megabytes(size: int) -> str:
    """Return a size in bytes as text, to three figures."""
    return f"{size / 1e6:.3g} MB"
