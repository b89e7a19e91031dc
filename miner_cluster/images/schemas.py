"""Keeps images away from a database whose schema they don't know: their workers would never start."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from miner_cluster.backup.errors import BackupError
from miner_cluster.backup.pods import Pod
from miner_cluster.images.releases import Deployment, ReleaseError, merged
from module_utils.node_images.state import UNDER_WAY

_ANSWER_S = 30.0


def refuse_older(
    known: int, histories: Sequence[Sequence[Deployment]], ask: Callable[[], int], *, remedy: str
) -> None:
    """Check that an image knows the database's schema, before anything is replaced by it.

    The database is asked only where a later image may have migrated it: usually none has.

    Args:
        known: the newest schema that the image knows; 0 where nobody wrote that down.
        histories: what each machine remembers of deployments.
        ask: returns the version of the database's schema.
        remedy: what to do instead.

    Raises:
        ReleaseError: it does not know it, or the database does not say.
    """
    latest = _latest(merged(histories))
    if not known or known >= latest:
        return
    try:
        now = ask()
    except BackupError as error:
        raise ReleaseError(
            f"Nothing was done. This image knows the database's schema up to {known}, one for {latest} was "
            f"deployed before, and the database does not say what it has: {error}. "
            "To go on all the same: -e image_any_schema=true"
        ) from error
    if now > known:
        raise ReleaseError(
            f"Nothing was done. The database has schema {now}, and this image knows {known} at the most, so "
            f"its workers would not start. {remedy}; or go back with the data too: check out the sources of "
            "this image, bring back a backup of their time (playbooks/restore.yml), and run this again"
        )


def _latest(known: Sequence[Deployment]) -> int:
    """Return the newest schema that the database may have by what was deployed; 0 where nobody knows.

    Workers of the latest deployment that came to its end have run, so the database has no newer one than they
    know, unless one that did not come to its end has migrated it since. What was before no longer matters.
    """
    newest = 0
    for past in reversed(known):
        newest = max(newest, past.get("schema", 0))
        if past.get("schema") and UNDER_WAY not in past:
            break
    return newest


def asked_of(kubectl: str, namespace: str) -> Callable[[], int]:
    """Return what asks a cluster's database for its schema.

    Args:
        kubectl: path of the program.
        namespace: in which the database runs.
    """
    pod = Pod(
        kubectl=Path(kubectl),
        namespace=namespace,
        name="postgres-0",
        container="postgres",
        timeout_s=_ANSWER_S,
    )

    def ask() -> int:
        # Seldom needed, and takes longer to load than all else that looks for an image.
        from miner_cluster.backup import postgres  # noqa: PLC0415

        return postgres.schema(pod)

    return ask
