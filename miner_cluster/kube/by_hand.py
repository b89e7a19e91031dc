"""Fields that somebody added with kubectl and that nothing renders: applying alone would leave them.

The API server notes for each field who set it (``metadata.managedFields``). A note is a tree with ``f:NAME``
for a field, ``k:{…}`` for the item of a list that has these keys, ``v:…`` for an item that is this value, and
``.`` for the field or item itself.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from miner_cluster.kube.api import FIELD_MANAGER, Api, ApiError, KubeError, Object
from miner_cluster.kube.prune import title

#: whatever kubectl does is noted under a name that begins so: kubectl-edit, kubectl-client-side-apply, …
_HAND = "kubectl"
_SELF = "."
_REPLICAS = ("f:spec", "f:replicas")
_LEFT_ALONE = (
    # Removing it would restart what was just restarted.
    ("f:spec", "f:template", "f:metadata", "f:annotations", "f:kubectl.kubernetes.io/restartedAt"),
    # What kubectl apply remembers for itself.
    ("f:metadata", "f:annotations", "f:kubectl.kubernetes.io/last-applied-configuration"),
)

Path = tuple[str, ...]
#: HTTP status, and how often a write is tried that crosses another one
_CONFLICT, _TRIES = 409, 3


def without_additions(obj: Object, wanted: Object) -> Object | None:
    """Return an object of the API without what was added by hand; None where nothing was.

    Args:
        obj: as the API has it, or would have it after applying.
        wanted: as it is rendered. Where it leaves the number of pods to others, that number stays.
    """
    additions = added_by_hand(obj, keep_replicas="replicas" not in wanted.get("spec", {}))
    if not additions:
        return None
    cleaned = copy.deepcopy(obj)
    # Whole items and maps first: what lies in them goes with them.
    for path in sorted(additions, key=lambda path: (path[-1] != _SELF, len(path))):
        _remove(cleaned, path[:-1] if path[-1] == _SELF else path)
    return cleaned


def added_by_hand(obj: Object, *, keep_replicas: bool) -> set[Path]:
    """Return the paths that only kubectl has set, and items and maps that consist of nothing else."""
    hand: set[Path] = set()
    others: set[Path] = set()
    for entry in obj["metadata"].get("managedFields") or []:
        if entry.get("subresource") == "status":
            continue
        paths = set(_paths(entry.get("fieldsV1") or {}))
        (hand if entry.get("manager", "").startswith(_HAND) else others).update(paths)
    left_alone = {*_LEFT_ALONE, *([_REPLICAS] if keep_replicas else [])}
    kept = others | left_alone
    used = {path[:length] for path in kept for length in range(len(path) + 1)}
    return {path for path in hand - kept if path[-1] != _SELF or path[:-1] not in used}


def remove_additions(api: Api, wanted: Sequence[Object]) -> list[Object]:
    """Remove what was added by hand to these objects, which exist; return those that had something.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    changed = []
    for obj in wanted:
        meta = obj["metadata"]
        path = api.resource(obj["apiVersion"], obj["kind"]).path(meta.get("namespace"), meta["name"])
        if _remove_from(api, path, obj):
            changed.append(obj)
    return changed


def _remove_from(api: Api, path: str, obj: Object) -> bool:
    for tries_left in range(_TRIES - 1, -1, -1):
        cleaned = without_additions(api.call("GET", path), obj)
        if cleaned is None:
            return False
        try:
            replace(api, path, cleaned)
        except KubeError as error:
            if tries_left and isinstance(error.__cause__, ApiError) and error.__cause__.status == _CONFLICT:
                continue  # a controller wrote in between
            raise
        return True
    return False


def replace(api: Api, path: str, obj: Object, **query: str) -> Object:
    """Replace an object and return what the API made of it.

    Raises:
        KubeError: the API refuses.
    """
    try:
        return api.call("PUT", path, obj, fieldManager=FIELD_MANAGER, **query)
    except ApiError as error:
        raise KubeError(
            f"{title(obj)} has fields that were added by hand, and they can't be removed ({error}); "
            f"see: kubectl get {obj['kind']} {obj['metadata']['name']} -o yaml --show-managed-fields"
        ) from error


def _paths(fields: Mapping[str, Any], above: Path = ()) -> Iterator[Path]:
    for name, below in fields.items():
        if below:
            yield from _paths(below, (*above, name))
        else:
            yield (*above, name)


def _remove(obj: Object, path: Path) -> None:
    """Remove one field or item, if it is there."""
    place: Any = obj
    for step in path[:-1]:
        place = _step(place, step)
        if place is None:
            return
    last = path[-1]
    if isinstance(place, dict):
        place.pop(last.removeprefix("f:"), None)
    elif isinstance(place, list) and (item := _step(place, last)) is not None:
        place.remove(item)


def _step(place: Any, step: str) -> Any:
    kind, _, name = step.partition(":")
    if kind == "f" and isinstance(place, dict):
        return place.get(name)
    if isinstance(place, list) and kind in {"k", "v"}:
        return next(_matching(place, kind, json.loads(name)), None)
    return None


def _matching(items: Iterable[Any], kind: str, value: Any) -> Iterator[Any]:
    for item in items:
        if item == value if kind == "v" else value.items() <= item.items():
            yield item
