"""What becomes of an item after an error, and in which words the error is kept."""

from __future__ import annotations

from collections.abc import Callable

from data_miner.config import AppConfig
from data_miner.db.connect import Connection
from data_miner.errors import MinerError, PermanentError, SiteBlockedError, UnreadableError
from data_miner.queue import leases
from data_miner.queue.items import Item, State

#: by which backoff is longer for a file that can't be read: five attempts wait for a machine for an hour
_SLOWER = 30

#: errors are kept with the item; a person reads the beginning
_MAX_ERROR = 1000


def verdict(
    item: Item, error: Exception, text: str, *, config: AppConfig
) -> tuple[str, Callable[[Connection], State]]:
    """Return the kind of an error and the operation of the queue that follows from it."""
    if isinstance(error, SiteBlockedError):
        site, breaker = error.site, config.download.breaker
        return "blocked", lambda c: leases.block(c, item, text, site=site, breaker=breaker)
    if isinstance(error, PermanentError):
        return "permanent", lambda c: leases.bury(c, item, text)
    queue = config.queue
    if isinstance(error, UnreadableError):
        queue = queue.model_copy(update={"backoff_s": queue.backoff_s * _SLOWER})
    return "transient", lambda c: leases.fail(c, item, text, queue=queue)


def in_words(error: Exception) -> str:
    """Return an error in words that Postgres can store."""
    text = str(error) if isinstance(error, MinerError) and str(error) else f"{type(error).__name__}: {error}"
    return text.replace("\x00", "").encode("utf-8", "replace").decode()[:_MAX_ERROR]
