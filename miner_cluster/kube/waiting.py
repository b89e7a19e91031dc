"""Waiting until something is so, and telling meanwhile what is waited for."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

#: seconds between two looks, and between two lines
POLL_S = 0.5
TELL_S = 5.0

Say = Callable[[str], None]


def silent(_: str) -> None:
    """Tell nobody."""


@dataclass
class Wait:
    """One wait: how long it has been, and a line every few seconds that says what is still missing."""

    say: Say = silent
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _started: float = field(init=False)
    _told: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock."""
        self._started = self._told = self.clock()

    @property
    def waited_s(self) -> float:
        """Seconds since the wait began."""
        return self.clock() - self._started

    def again(self, missing: Callable[..., str], *seen: object, poll_s: float = POLL_S) -> None:
        """Pause before the next look; when it is time to tell, tell what ``missing(*seen)`` returns."""
        now = self.clock()
        if now - self._told >= TELL_S:
            self._told = now
            self.say(f"  {now - self._started:.0f} s: {missing(*seen)}")
        self.sleep(poll_s)
