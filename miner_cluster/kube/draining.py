"""Taking a node out of use: no pod comes to it any more, and those that are there move away.

Pods go by evictions, which keep budgets of disruptions. Those of workers go first, while the database still
answers them, then the services. The shared storage stays, as DaemonSets do: its pods may come to such a node.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.kube.node_labels import MERGE_PATCH
from miner_cluster.kube.placement import waits_for
from miner_cluster.kube.prune import PHASE_LABEL, ours
from miner_cluster.kube.rollout import ready
from miner_cluster.kube.waiting import Wait

POLL_S = 2.0
#: the taint of a closed node
UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
#: annotation of a node that was closed here, with the reason, so that it is known who may open it again
CLOSED_FOR = "data-miner/closed-for"
#: the phase whose pods go after the others
_LAST = "infrastructure"
#: where k3s keeps its own pods, which its controllers make anew
SYSTEM = "kube-system"


def close(api: Api, node: Object, reason: str) -> None:
    """Let no pod come to a node any more; one that somebody else has closed stays theirs."""
    if node.get("spec", {}).get("unschedulable"):
        return
    _patch(api, node, unschedulable=True, reason=reason)


def reopen(api: Api, node: Object) -> bool:
    """Let pods come to a node again where it was closed here; return whether it was."""
    if closed_for(node) is None:
        return False
    _patch(api, node, unschedulable=None, reason=None)
    return True


def closed_for(node: Object) -> str | None:
    """Return the reason for which a node was closed here; None where it was not."""
    found: str | None = (node["metadata"].get("annotations") or {}).get(CLOSED_FOR)
    return found


def empty(api: Api, name: str, waiting: Wait, *, timeout_s: float) -> None:
    """Have all pods of a node go but those that belong to it, as `kubectl drain` does.

    Raises:
        KubeError: pods do not go in time.
    """
    while pods := movable(api.list("v1", "Pod", fieldSelector=f"spec.nodeName={name}")):
        refusals = {title(pod): _evict(api, pod) for pod in _next(pods)}
        if waiting.waited_s > timeout_s:
            stayed = [
                (one := title(pod)) + (f" ({refusals[one]})" if refusals.get(one) else "") for pod in pods
            ]
            raise KubeError(
                f"{name} can't be drained: {', '.join(stayed)} did not go in {timeout_s:.0f} s; "
                "run this again"
            )
        waiting.again(_not_gone, name, pods, poll_s=POLL_S)


def movable(pods: Iterable[Object]) -> list[Object]:
    """Return the pods that must go.

    Those of DaemonSets stay, and so do others that may come to a closed node: they would be back at once.
    """
    return [
        pod
        for pod in pods
        if pod["status"].get("phase") not in {"Succeeded", "Failed"}
        and all(owner["kind"] not in {"DaemonSet", "Node"} for owner in _owners(pod))
        and not any(map(_lets_in, pod["spec"].get("tolerations") or []))
    ]


def lossy(pods: Iterable[Object], namespaces: Sequence[str]) -> dict[str, str]:
    """Return pods that would lose something, by title with what: those that `kubectl drain` asks about.

    Args:
        pods: that would be moved.
        namespaces: ours, whose pods keep nothing in a place that goes with them; as those of k3s.
    """
    found = {}
    for pod in pods:
        namespace = pod["metadata"]["namespace"]
        if namespace in namespaces:
            continue
        if not _owners(pod):
            found[title(pod)] = "nothing makes it anew elsewhere"
        elif namespace != SYSTEM and any("emptyDir" in volume for volume in pod["spec"].get("volumes", [])):
            found[title(pod)] = "it has data in an emptyDir"
    return found


def kept_for_good(pods: Iterable[Object], budgets: Iterable[Object]) -> dict[str, str]:
    """Return pods that a budget would never let go, by title with why: it wants as many as there are.

    A drain would wait for them in vain. Budgets that say by expressions which pods they mean are left out.
    """
    known = list(budgets)
    found = {}
    for pod in pods:
        meta = pod["metadata"]
        for budget in known:
            status, selector = budget.get("status", {}), budget["spec"].get("selector") or {}
            if (
                budget["metadata"]["namespace"] == meta["namespace"]
                and not selector.get("matchExpressions")
                and _matches(selector, meta.get("labels") or {})
                and ready(pod)
                and status.get("desiredHealthy", 0) >= status.get("expectedPods", 0) > 0
            ):
                found[title(pod)] = (
                    f"the budget {budget['metadata']['name']} wants {status['desiredHealthy']} healthy pods, "
                    f"and there are {status['expectedPods']}"
                )
    return found


def title(pod: Object) -> str:
    """How messages name a pod."""
    return f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"


def _patch(api: Api, node: Object, *, unschedulable: bool | None, reason: str | None) -> None:
    body = {"spec": {"unschedulable": unschedulable}, "metadata": {"annotations": {CLOSED_FOR: reason}}}
    path = api.resource("v1", "Node").path(name=node["metadata"]["name"])
    api.call("PATCH", path, body, content=MERGE_PATCH)


def _owners(pod: Object) -> list[Object]:
    owners: list[Object] = pod["metadata"].get("ownerReferences") or []
    return owners


def _lets_in(toleration: Mapping[str, str]) -> bool:
    """Whether a pod with a toleration may come to a closed node."""
    exists = toleration.get("operator") == "Exists"
    if toleration.get("key", "") not in {"" if exists else UNSCHEDULABLE, UNSCHEDULABLE}:
        return False
    no_value = exists or not toleration.get("value")
    return no_value and toleration.get("effect") in {None, "", "NoSchedule"}


def _next(pods: Sequence[Object]) -> list[Object]:
    """Return those whose turn it is."""
    return [pod for pod in pods if not _last(pod)] or list(pods)


def _last(pod: Object) -> bool:
    return ours(pod) and pod["metadata"]["labels"].get(PHASE_LABEL) == _LAST


def _evict(api: Api, pod: Object) -> str:
    """Ask for a pod to go; return why a budget asks to wait, after which the next round asks again."""
    meta = pod["metadata"]
    if meta.get("deletionTimestamp"):
        return "it is ending"
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": meta["name"], "namespace": meta["namespace"]},
    }
    path = api.resource("v1", "Pod").path(meta["namespace"], meta["name"])
    try:
        api.call("POST", f"{path}/eviction", body)
    except ApiError as error:
        if error.status == HTTPStatus.TOO_MANY_REQUESTS:
            if not _in_vain(api, pod):
                return str(error)
            api.call("DELETE", path)
        elif error.status != NOT_FOUND:
            raise
    return ""


def _in_vain(api: Api, pod: Object) -> bool:
    """Whether a budget of ours waits for a pod that can't be placed while this node is closed.

    Where a worker may run on this node only, a budget that lets one pod go at a time would never let the
    second one go. One that waits for room anywhere is no such reason, and budgets of others are always kept.
    """
    namespace = pod["metadata"]["namespace"]
    budgets = [
        budget
        for budget in api.list("policy/v1", "PodDisruptionBudget", namespace)
        if _matches(budget["spec"].get("selector") or {}, pod["metadata"].get("labels") or {})
    ]
    if not budgets or not all(map(ours, budgets)):
        return False
    owners = {owner["uid"] for owner in _owners(pod)}
    waiting = [
        other
        for other in api.list("v1", "Pod", namespace)
        if owners & {owner["uid"] for owner in _owners(other)} and _unplaceable(other)
    ]
    nodes = api.list("v1", "Node") if waiting else []
    return any(waits_for(other, pod["spec"]["nodeName"], nodes) for other in waiting)


def _matches(selector: Mapping[str, Mapping[str, str]], labels: Mapping[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items()


def _unplaceable(pod: Object) -> bool:
    return any(
        condition["type"] == "PodScheduled" and condition["status"] == "False"
        for condition in pod["status"].get("conditions", [])
    )


def _not_gone(name: str, pods: Sequence[Object]) -> str:
    return f"{name} still runs {', '.join(map(title, pods))}"
