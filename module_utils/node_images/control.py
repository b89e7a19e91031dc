"""Makes a node's containerd have the wanted images."""

from __future__ import annotations

import time
from typing import Any

from .containerd import Containerd, CtrError, Descriptor
from .plan import Image, Plan, id_of, is_ours, plan
from .state import Deployments, State, completed, remembered

#: seconds within which containerd must say what it has, where that is only looked at
LOOK_S = 20.0


def converge(
    containerd: Containerd,
    wanted: dict[str, str],
    *,
    state: State,
    spares: int,
    deployment: dict[str, Any] | None,
    manifests: dict[str, Descriptor] | None,
    look_only: bool,
) -> dict[str, Any]:
    """Return what the module returns.

    Args:
        containerd: of the machine.
        wanted: IDs by full reference.
        state: what is kept beside containerd's store.
        spares: how many replaced images of each repository stay.
        deployment: what is deployed by this run, to be remembered.
        manifests: of the wanted images, where the blobs that were missing have come.
        look_only: change nothing.

    Raises:
        CtrError: containerd does not answer, refuses, or has other images than the wanted ones in the end.
    """
    try:
        before = containerd.images()
    except CtrError as error:
        if wanted and not look_only:
            raise CtrError(f"{error}; is k3s running here? If not, run site.yml --tags k3s") from error
        before = {}  # a bare machine has nothing to remove, and under --check it lacks everything
    past = state.deployments()
    steps, history, result = compare(before, past, wanted, spares=spares, deployment=deployment)
    if look_only:
        return result
    if steps.missing and manifests is None:
        return {**result, "changed": False, "blobs": containerd.blobs()}
    if steps.sentences():
        containerd.apply(steps, manifests or {}, state.incoming, int(time.time()))
        _check(containerd.settle(wanted), wanted)
    state.forget_incoming()
    if history != past:
        state.remember(history)
    if not wanted and not spares:  # none of ours is left
        state.forget()
    return result


def compare(
    before: dict[str, Image],
    past: Deployments,
    wanted: dict[str, str],
    *,
    spares: int,
    deployment: dict[str, Any] | None,
) -> tuple[Plan, Deployments, dict[str, Any]]:
    """Return what is to be done, what is to be remembered, and what the module returns where it only looks.

    Args:
        before: what containerd has.
        past: what was deployed.
        wanted: IDs by full reference.
        spares: how many replaced images of each repository stay.
        deployment: what is deployed by this run.
    """
    steps = plan(before, wanted, spares=spares)
    history = remembered(past, deployment, int(time.time())) if deployment else past
    changes = steps.sentences()
    if history != past:
        changes.append(f"remember what is deployed as {history[-1]['tag']}")
    result = {
        "changed": bool(changes),
        "changes": changes,
        "deployments": history,
        "missing": steps.missing,
        "image_ids": {ref: image_id or id_of(before, ref) for ref, image_id in wanted.items()},
        "diff": {"before": _before(before, wanted), "after": _after(before, wanted, steps)},
    }
    return steps, history, result


def complete(state: State, *, look_only: bool) -> dict[str, Any]:
    """Write down that the latest deployment has come to its end, and return what the module returns.

    Args:
        state: what is kept beside containerd's store.
        look_only: change nothing.
    """
    past = state.deployments()
    history = completed(past)
    if history != past and not look_only:
        state.remember(history)
    changes = [f"{history[-1]['tag']} is deployed"] if history != past else []
    return {"changed": bool(changes), "changes": changes, "deployments": history}


def look(command: list[str], directory: str) -> dict[str, Any] | None:
    """Return what a node has and remembers, for the option ``seen``; None where containerd does not run.

    Args:
        command: that speaks to containerd.
        directory: of what is kept beside its store.
    """
    try:
        images = Containerd(command, timeout_s=LOOK_S).images()
    except CtrError:
        return None
    plain = {ref: {"image_id": image.image_id, "labels": image.labels} for ref, image in images.items()}
    return {"images": plain, "deployments": State(directory).deployments()}


def _check(after: dict[str, Image], wanted: dict[str, str]) -> None:
    wrong = [
        f"{ref} is {id_of(after, ref) or 'not there'} instead of {image_id}"
        for ref, image_id in wanted.items()
        if id_of(after, ref) != image_id
    ]
    if wrong:
        raise CtrError(f"after the import {'; '.join(wrong)}")


def _before(current: dict[str, Image], wanted: dict[str, str]) -> str:
    """Return what --diff shows: the wanted references and all that is ours."""
    return _lines({ref: image.image_id for ref, image in current.items() if ref in wanted or is_ours(image)})


def _after(current: dict[str, Image], wanted: dict[str, str], steps: Plan) -> str:
    """Return the same as it will be."""
    ids = {ref: image.image_id for ref, image in current.items() if is_ours(image)} | wanted
    ids |= {name: wanted[ref] for name, ref in steps.missing.items()}
    return _lines({ref: image_id for ref, image_id in ids.items() if ref not in steps.remove})


def _lines(ids: dict[str, str]) -> str:
    return "".join(f"{ref} {image_id or 'not known yet'}\n" for ref, image_id in sorted(ids.items()))
