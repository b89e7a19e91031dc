"""Taints of the nodes: which of them are ours, and what to change. Those of others stay as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from miner_cluster.kube.api import Api, ApiError, KubeError, Object
from miner_cluster.kube.node_labels import ANNOTATION as LABELS
from miner_cluster.kube.node_labels import MERGE_PATCH, owned_labels
from miner_cluster.taints import Taint, parse

#: names, as JSON, the taints that were set here, each as KEY:EFFECT, so that they can be removed again
ANNOTATION = "data-miner/taints"
#: the effect that ends pods which run already
_EVICTS = "NoExecute"
_CONFLICT, _TRIES = 409, 5


@dataclass(frozen=True, kw_only=True)
class Change:
    """What to change at one node: all of its taints afterwards, and which of them are ours then."""

    node: str
    taints: list[Object]
    owned: list[str]
    before: list[str]
    #: the node as it was looked at: Kubernetes' own controllers change taints too
    version: str

    @property
    def after(self) -> list[str]:
        """Return all taints as they are afterwards, as kubectl writes them."""
        return [words(taint) for taint in self.taints]


def plan(node: Object, wanted: Sequence[str]) -> Change | None:
    """Return how to bring a node to its taints; None when there is nothing to do.

    One that somebody else has set stays theirs, also where the configuration names it too.

    Raises:
        KubeError: somebody else has set one that a node can have only once, with another value.
    """
    meta = node["metadata"]
    present: list[Object] = node.get("spec", {}).get("taints") or []
    before = owned_labels((meta.get("annotations") or {}).get(ANNOTATION))
    theirs = _theirs(node)
    for found, remedy in _conflicts(meta["name"], theirs, wanted):
        raise KubeError(f"{meta['name']} {found}; {remedy}")
    ours = {name: taint for taint in map(_object, wanted) if (name := _name(taint)) not in theirs}
    kept = [taint for taint in present if _name(taint) not in before | ours.keys()]
    same = [taint for taint in present if _same(taint, ours.get(_name(taint)))]
    added = [taint for name, taint in ours.items() if name not in map(_name, same)]
    if not added and len(kept) + len(same) == len(present) and before == ours.keys():
        return None
    return Change(
        node=meta["name"],
        taints=[*kept, *same, *added],
        owned=sorted(ours),
        before=[words(taint) for taint in present],
        version=meta.get("resourceVersion", ""),
    )


def conflicts(node: Object, wanted: Sequence[str]) -> list[tuple[str, str]]:
    """Return which taints of others forbid those that a node is to have: what was found, and what to do."""
    return list(_conflicts(node["metadata"]["name"], _theirs(node), wanted))


def gentle(node: Object, wanted: Sequence[str]) -> list[str]:
    """Return the taints that end no pods on a node: without those that it would get and that evict.

    A node that was never labelled here is new, and may get all.
    """
    if LABELS not in (node["metadata"].get("annotations") or {}):
        return list(wanted)
    present = {words(taint) for taint in node.get("spec", {}).get("taints") or []}
    return [text for text in wanted if parse(text).effect != _EVICTS or words(_object(text)) in present]


def words(taint: Object) -> str:
    """Return a taint as kubectl writes it."""
    return str(Taint(key=taint["key"], value=taint.get("value"), effect=taint["effect"]))


def apply(api: Api, change: Change, wanted: Sequence[str]) -> None:
    """Change a node's taints; where it was changed meanwhile, as what it is now asks for."""
    path = api.resource("v1", "Node").path(name=change.node)
    for tries_left in reversed(range(_TRIES)):
        metadata = {
            "annotations": {ANNOTATION: json.dumps(change.owned)},
            "resourceVersion": change.version,
        }
        try:
            api.call(
                "PATCH", path, {"metadata": metadata, "spec": {"taints": change.taints}}, content=MERGE_PATCH
            )
        except ApiError as error:
            if error.status != _CONFLICT or not tries_left:
                raise
        else:
            return
        again = plan(api.call("GET", path), wanted)
        if again is None:
            return
        change = again


def _theirs(node: Object) -> dict[str, Object]:
    """Return the taints that others have set, by name."""
    ours = owned_labels((node["metadata"].get("annotations") or {}).get(ANNOTATION))
    present = node.get("spec", {}).get("taints") or []
    return {_name(taint): taint for taint in present if _name(taint) not in ours}


def _conflicts(node: str, theirs: Mapping[str, Object], wanted: Sequence[str]) -> Iterator[tuple[str, str]]:
    for text in wanted:
        present = theirs.get(_name(_object(text)))
        if present is not None and not _same(present, _object(text)):
            yield (
                f"has the taint {words(present)}, which somebody else has set, and cluster_config.yaml wants "
                f"{text}",
                f"write that one, or remove it: kubectl taint nodes {node} {_name(present)}-",
            )


def _object(text: str) -> Object:
    taint = parse(text)
    return {"key": taint.key, "value": taint.value or "", "effect": taint.effect}


def _name(taint: Object) -> str:
    return f"{taint['key']}:{taint['effect']}"


def _same(taint: Object, wanted: Object | None) -> bool:
    return wanted is not None and taint.get("value", "") == wanted["value"]
