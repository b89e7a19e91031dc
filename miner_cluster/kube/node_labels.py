"""Labels of the nodes: which of them are ours, and what to change. All nodes are asked for at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from miner_cluster.kube.api import Api, KubeError, Object
from miner_cluster.kube.waiting import Wait

#: names, as JSON, the labels that were set here, so that one that is not wanted any more can be removed
ANNOTATION = "data-miner/labels"
MERGE_PATCH = "application/merge-patch+json"

#: of one node: a value, or None for a label that is to stay as it is
Wanted = Mapping[str, str | None]


@dataclass(frozen=True, kw_only=True)
class Change:
    """What to change at one node; in ``labels`` None removes. ``owned`` are the labels that are ours then."""

    node: str
    labels: dict[str, str | None]
    owned: list[str]
    before: dict[str, str]

    @property
    def after(self) -> dict[str, str]:
        """Return the touched labels as they are afterwards."""
        return {key: value for key, value in self.labels.items() if value is not None}


def plan(node: Object, wanted: Wanted) -> Change | None:
    """Return how to bring a node to its labels; None when there is nothing to do.

    Labels that others set are only touched where one of ours has the same name.
    """
    labels: dict[str, str] = node["metadata"].get("labels") or {}
    noted = (node["metadata"].get("annotations") or {}).get(ANNOTATION)
    before = owned_labels(noted)
    left_alone = {key for key, value in wanted.items() if value is None}
    ours = {key: value for key, value in wanted.items() if value is not None}
    owned = sorted(ours.keys() | before & left_alone)
    gone: dict[str, str | None] = {
        key: None for key in sorted(before - ours.keys() - left_alone) if key in labels
    }
    changed = {key: value for key, value in ours.items() if labels.get(key) != value} | gone
    if not changed and set(owned) == before:
        return None
    return Change(
        node=node["metadata"]["name"],
        labels=changed,
        owned=owned,
        before={key: labels[key] for key in changed if key in labels},
    )


def owned_labels(annotation: str | None) -> set[str]:
    """Return the labels that the annotation names; none where somebody broke it."""
    try:
        names = json.loads(annotation or "[]")
    except ValueError:
        return set()
    return {name for name in names if isinstance(name, str)} if isinstance(names, list) else set()


def apply(api: Api, change: Change) -> None:
    """Change a node's labels."""
    metadata = {"labels": change.labels, "annotations": {ANNOTATION: json.dumps(change.owned)}}
    path = api.resource("v1", "Node").path(name=change.node)
    api.call("PATCH", path, {"metadata": metadata}, content=MERGE_PATCH)


def ready_nodes(api: Api, names: list[str], *, wait_s: float, waiting: Wait) -> dict[str, Object]:
    """Return the named nodes once all of them are Ready.

    An API that does not answer is waited for too: it is away for a moment as a server joins or leaves.

    Raises:
        KubeError: one is missing or not Ready, with what it says of itself; or the API does not answer.
    """
    while True:
        try:
            nodes = {node["metadata"]["name"]: node for node in api.list("v1", "Node")}
        except KubeError as error:
            if waiting.waited_s >= wait_s:
                raise
            waiting.again(str, error)
            continue
        problems = [problem for name in names if (problem := trouble(name, nodes.get(name)))]
        if not problems:
            return {name: nodes[name] for name in names}
        if waiting.waited_s >= wait_s:
            raise KubeError("\n".join(problems))
        waiting.again("; ".join, problems)


def trouble(name: str, node: Object | None) -> str:
    """Say what keeps a node from being used; empty when nothing does."""
    if node is None:
        return (
            f"{name} has not joined the cluster; run: ansible-playbook site.yml --tags k3s, and if that does "
            "not help, look at `journalctl -u 'k3s*'` there"
        )
    conditions = {condition["type"]: condition for condition in node["status"].get("conditions", [])}
    ready = conditions.get("Ready", {})
    if ready.get("status") == "True":
        return ""
    said = ready.get("message") or "it says nothing about itself"
    return f"{name} is not Ready: {said}; look at `journalctl -u 'k3s*'` there"
