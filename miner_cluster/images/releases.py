"""What was deployed before, and which of it a person means."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from data_miner.errors import MinerError

PREVIOUS = "previous"
#: in front of the beginning of an ID
BY_ID = "id-"
_SHOWN = 12
Deployment = Mapping[str, Any]


class ReleaseError(MinerError):
    """Nothing that was deployed is meant by a tag."""


def choose(histories: Sequence[Sequence[Deployment]], tag: str, *, moving_tag: str) -> Deployment | None:
    """Return the deployment that a tag means; None for what the sources make.

    Args:
        histories: what each machine remembers, the latest last.
        tag: ``previous``, ``id-`` and the beginning of an ID, or a name.
        moving_tag: the name of whatever the sources make.

    Raises:
        ReleaseError: there was no such deployment.
    """
    known = _fullest(histories)
    if tag == moving_tag:
        return None
    found = next((past for past in reversed(known) if _is_meant(past, tag, known[-1])), None)
    if found is None and (tag == PREVIOUS or tag.startswith(BY_ID)):
        raise ReleaseError(f"image_tag: the machines know of no deployment {tag}; {_listing(known)}")
    return found


def _is_meant(past: Deployment, tag: str, latest: Deployment) -> bool:
    if tag == PREVIOUS:
        return bool(past["images"] != latest["images"])
    if tag.startswith(BY_ID):
        begin = f"sha256:{tag.removeprefix(BY_ID)}"
        return any(image_id.startswith(begin) for image_id in past["images"].values())
    return bool(past["tag"] == tag)


def _fullest(histories: Sequence[Sequence[Deployment]]) -> Sequence[Deployment]:
    """Return the history of a machine that missed nothing: new ones and those that were away know less."""
    return max(histories, key=lambda past: (len(past), past[-1]["at"] if past else 0), default=())


def _listing(known: Sequence[Deployment]) -> str:
    if not known:
        return "they know of none"
    return "known are " + ", ".join(
        f"{past['tag']} of {time.strftime('%Y-%m-%d %H:%M', time.localtime(past['at']))} ({_ids(past)})"
        for past in known
    )


def _ids(past: Deployment) -> str:
    return ", ".join(
        f"{BY_ID}{image_id.removeprefix('sha256:')[:_SHOWN]}" for image_id in past["images"].values()
    )
