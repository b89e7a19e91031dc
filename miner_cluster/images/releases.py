"""What was deployed before, and which of it a person means."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data_miner.errors import MinerError
from module_utils.node_images.state import UNDER_WAY

PREVIOUS = "previous"
#: in front of the beginning of an ID
BY_ID = "id-"
_SHOWN = 12
#: the fewest digits of an ID that can mean an image
_DIGITS = 6
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
    known = merged(histories)
    if tag == moving_tag:
        return None
    if tag == PREVIOUS:
        found = _before(known)
    elif tag.startswith(BY_ID):
        found = _by_id(known, tag.removeprefix(BY_ID))
    else:
        found = next((past for past in reversed(known) if past["tag"] == tag), None)
    if found is None:
        raise ReleaseError(
            f"image_tag: the machines know of no deployment {tag}; {_listing(known)}. "
            "What the sources make gets a name by image_name"
        )
    return found


def assert_new(histories: Sequence[Sequence[Deployment]], name: str) -> None:
    """Refuse a name for what the sources make that means something else already.

    The latest deployment may get its name again, as a run that was interrupted is repeated.

    Raises:
        ReleaseError: it does.
    """
    if name == PREVIOUS or name.startswith(BY_ID):
        raise ReleaseError(f"image_name: {name} is no name, as image_tag={name} has a meaning of its own")
    known = merged(histories)
    if any(past["tag"] == name for past in known[:-1]) and known[-1]["tag"] != name:
        raise ReleaseError(
            f"image_name: {name} was deployed before, and image_tag={name} deploys it; "
            "give what the sources make another name"
        )


def merged(histories: Sequence[Sequence[Deployment]]) -> list[Deployment]:
    """Return what all machines together remember: new ones and those that were away know of a part only.

    A deployment was completed where one machine was told so, but the latest only where all were.
    What schema it knows, one machine is enough to say.
    """
    groups: list[list[Deployment]] = []
    for past in sorted((past for history in histories for past in history), key=lambda past: past["at"]):
        if groups and _what(groups[-1][0]) == _what(past):
            groups[-1].append(past)
        else:
            groups.append([past])
    return [*(_one(group, min) for group in groups[:-1]), *(_one(group, max) for group in groups[-1:])]


def _before(known: Sequence[Deployment]) -> Deployment | None:
    """Return what ran before the latest; where going back was interrupted, what it was to lead to."""
    if known and known[-1].get(UNDER_WAY) == PREVIOUS:
        return known[-1]
    ran = (past for past in reversed(known[:-1]) if UNDER_WAY not in past)
    return next((past for past in ran if past["images"] != known[-1]["images"]), None)


def _by_id(known: Sequence[Deployment], digits: str) -> Deployment | None:
    begin = f"sha256:{digits}"
    found = [past for past in known if any(image.startswith(begin) for image in past["images"].values())]
    meant = {image for past in found for image in past["images"].values() if image.startswith(begin)}
    if found and (len(digits) < _DIGITS or len(meant) > 1):
        raise ReleaseError(
            f"image_tag: {BY_ID}{digits} does not tell one image from others: give {_DIGITS} digits or more; "
            f"{_listing(known)}"
        )
    return found[-1] if found else None


def _one(group: list[Deployment], pick: Callable[..., Deployment]) -> Deployment:
    chosen = pick(group, key=lambda past: UNDER_WAY in past)
    return {**chosen, "schema": max(past.get("schema", 0) for past in group)}


def _what(past: Deployment) -> tuple[Any, Any]:
    return past["tag"], past["images"]


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
