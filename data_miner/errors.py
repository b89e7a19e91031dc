"""The error tree: which class is raised decides what happens to the item being worked on.

``ConfigError``       nothing starts; the user edits the file and line that it names
``RetryableError``    the item goes back to the queue and is tried again later
``UnreadableError``   the same, with longer pauses: a machine may have to come back
``SiteBlockedError``  the site refuses us as a whole: the item waits, no attempt is burnt
``PermanentError``    the item can never succeed: dead letter with the message kept
``NotReadyError``     what the worker itself needs is away: the item goes back, no attempt is burnt
``BrokenProcessError``  the process ends, so that another takes its place; the item is tried again
"""

from __future__ import annotations

from dataclasses import dataclass


class MinerError(Exception):
    """Base of every error that the miner raises on purpose; its text is meant for the user."""


@dataclass(frozen=True, kw_only=True, order=True)
class Problem:
    """One thing wrong with a configuration file, and what would be right."""

    file: str
    #: 1-based; None where the problem is not at one place of the file
    line: int | None = None
    column: int | None = None
    #: dotted path such as ``download.retries``, empty for the file as a whole
    key: str = ""
    message: str
    hint: str = ""

    def __str__(self) -> str:
        """Return ``file:line:column: key: message; hint`` with the parts that are known."""
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        text = ": ".join(part for part in (place, self.key, self.message) if part)
        return f"{text}; {self.hint}" if self.hint else text


class ConfigError(MinerError):
    """The configuration cannot be used; lists every problem found, not just the first."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class RetryableError(MinerError):
    """Trying again later may succeed: a time-out, a lost connection, HTTP 5xx."""


class UnreadableError(RetryableError):
    """A stored file can't be read: its pieces are lost, or on a machine that is away and may come back."""


class SiteBlockedError(MinerError):
    """The site refuses this address for now (HTTP 403, 429, "not a bot"): no attempt is burnt."""

    def __init__(self, message: str, *, site: str) -> None:
        super().__init__(message)
        self.site = site


class PermanentError(MinerError):
    """Trying again cannot succeed: the video is gone, private, or not a video."""


class NotReadyError(MinerError):
    """What the worker needs is away, whichever item wants it: the shared directory, or a model."""


class BrokenProcessError(MinerError):
    """Nothing can be worked on in this process any more, as after an error of a GPU.

    Args:
        message: says what happened.
        by_item: whether the item may have brought it about, which is an attempt then.
    """

    def __init__(self, message: str, *, by_item: bool) -> None:
        super().__init__(message)
        self.by_item = by_item
