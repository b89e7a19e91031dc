"""Bringing nodes to another version of k3s: which of them, in which order, and what is waited for."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from miner_cluster.cluster import ROLE_LABEL, Cluster
from miner_cluster.k3s_version import Running, minor, newer, problems
from miner_cluster.kube.absent_nodes import readiness
from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.kube.draining import closed_for, kept_for_good, lossy, movable, reopen
from miner_cluster.kube.node_labels import trouble
from miner_cluster.kube.prune import title
from miner_cluster.kube.rollout import pending, pods_of, ready, waits_in_vain
from miner_cluster.kube.waiting import Wait

#: why nodes are closed
REASON = "upgrade"
_KINDS = ("Deployment", "StatefulSet", "DaemonSet")
_CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
_POLL_S = 1.0


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A node that gets the new version; ``drain`` where its pods move away meanwhile."""

    name: str
    server: bool
    before: str
    drain: bool


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What an upgrade does.

    Attributes:
        turns: the nodes in their order: servers, agents that take no pods now, the other agents.
        reopen: nodes that have the version already, and that an interrupted upgrade left closed.
        absent: nodes of the configuration that are not in the cluster yet, or whose machines are new ones.
        unavailable: agents of the cluster that take no pods, but for those whose turn it is anyway.
        back: whether it is an older patch than one that runs.
        goes_on: whether it has begun and stopped between two nodes, none of which is closed.
    """

    turns: tuple[Turn, ...]
    reopen: tuple[str, ...]
    absent: tuple[str, ...]
    unavailable: tuple[str, ...] = ()
    back: bool = False
    goes_on: bool = False


def make_plan(
    cluster: Cluster,
    nodes: Iterable[Object],
    within: Collection[str],
    *,
    drain: bool | None = None,
    back: bool = False,
    replaced: Collection[str] = (),
) -> Plan:
    """Plan the way of all nodes to the configured version.

    Args:
        cluster: the configuration.
        nodes: of the cluster.
        within: names of the machines that this run is about.
        drain: whether pods move away; None for where the minor version changes, as Kubernetes asks.
        back: whether it may be an older patch than the one that runs.
        replaced: names of machines without k3s, whatever the cluster knows of those before them.

    Raises:
        KubeError: the version can't be reached from what runs; with all reasons. Or a server's machine is a
            new one, and the others must not be restarted before it is one of them again.
    """
    found = {node["metadata"]["name"]: node for node in nodes}
    running = [
        Running(name=name, server=name in cluster.servers, version=version(found[name]))
        for name in [*cluster.servers, *(name for name in cluster.nodes if name not in cluster.servers)]
        if name in found and name not in replaced
    ]
    wanted = cluster.k3s_version
    if outside := [name for name, node in found.items() if name not in cluster.nodes and _serves(node)]:
        raise KubeError(
            f"Nothing was done. {', '.join(sorted(outside))} serves the API and is not in "
            "cluster_config.yaml, so it would keep its version. Take it out of the cluster first: "
            "site.yml, with the k3s_version of before"
        )
    _refuse_new_servers(cluster, found, replaced)
    if reasons := problems(running, wanted, within=within):
        raise KubeError(f"Nothing was done. {wanted} can't be reached: " + ". ".join(reasons))
    patches = newer([one for one in running if one.name in within], wanted)
    if patches and not back:
        raise KubeError(
            f"Nothing was done. {patches}, so {wanted} goes back to an older patch. Set cluster.k3s_version "
            "to a later one, or go back all the same with -e upgrade_back=true"
        )
    turns = [
        Turn(
            name=one.name,
            server=one.server,
            before=one.version,
            drain=minor(one.version) != minor(wanted) if drain is None else drain,
        )
        for one in running
        if one.version != wanted and one.name in within
    ]
    # Those that are away already come first, so that no more than a batch's number are.
    turns.sort(key=lambda turn: not turn.server and _takes_pods(found[turn.name]))
    coming = {turn.name for turn in turns}
    return Plan(
        turns=tuple(turns),
        reopen=tuple(
            one.name
            for one in running
            if one.name in within and one.name not in coming and closed_for(found[one.name]) == REASON
        ),
        absent=tuple(name for name in cluster.nodes if name not in found or name in replaced),
        unavailable=tuple(
            name
            for name in cluster.nodes
            if name in found
            and name not in cluster.servers
            and name not in coming
            and (name in replaced or not _takes_pods(found[name]))
        ),
        back=bool(patches),
        goes_on=bool(turns)
        and any(one.version == wanted for one in running)
        and not any(closed_for(found[one.name]) == REASON for one in running),
    )


def batch(plan: Plan, at_a_time: str) -> int:
    """Return how many agents are begun together, so that no more than that are away at once.

    Args:
        plan: whose agents that take no pods already count.
        at_a_time: a number, or a share of the agents that are upgraded, such as ``25%``.
    """
    agents = sum(not turn.server for turn in plan.turns)
    share = at_a_time.removesuffix("%")
    number = int(share) * agents // 100 if at_a_time.endswith("%") else int(at_a_time)
    return max(1, number - len(plan.unavailable))


def refuse_drains(
    api: Api, nodes: Collection[str], namespaces: Sequence[str], *, force: bool, planned: bool
) -> None:
    """Check that pods can move away from nodes: that none of others loses anything, and that all may go.

    Asked for the plan and again when a node's turn comes, which may be hours later. Budgets are asked about
    for the plan alone: one may be short for a moment, and a drain waits for it.

    Args:
        api: the cluster.
        nodes: names of those that are to be drained.
        namespaces: ours.
        force: whether pods of others may lose something, and drains may wait for budgets that seem to
            want them to stay.
        planned: whether it is asked for the plan.

    Raises:
        KubeError: with all pods for which that is not so.
    """
    if force:
        return
    chosen = {"fieldSelector": f"spec.nodeName={next(iter(nodes))}"} if len(nodes) == 1 else {}
    there = [pod for pod in api.list("v1", "Pod", **chosen) if pod["spec"].get("nodeName") in nodes]
    pods = movable(there)
    budgets = api.list("policy/v1", "PodDisruptionBudget") if pods and planned else ()
    if kept := kept_for_good(pods, budgets):
        raise KubeError(
            f"Nothing was done. Pods could never be moved from nodes that are drained: {_listed(kept)}. Have "
            "more of them, or change the budget; or have each drain wait until you have moved them yourself "
            "(kubectl delete pod), with -e upgrade_force=true"
        )
    if found := lossy(pods, namespaces):
        raise KubeError(
            "Nothing was done. Pods of others would not survive that their nodes are drained: "
            f"{_listed(found)}. Remove them, or let them go with -e upgrade_force=true"
        )


def _listed(reasons: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {reason}" for name, reason in reasons.items())


def refuse_incomplete(
    api: Api, namespaces: Sequence[str], waiting: Wait, *, timeout_s: float, without: Collection[str] = ()
) -> None:
    """Check that workloads have the pods they want: an upgrade may have stopped for what they lack.

    Args:
        api: the cluster.
        namespaces: ours.
        waiting: how to wait.
        timeout_s: how long.
        without: nodes whose machines this run leaves out; what only those could run is not waited for while
            they are away.

    Raises:
        KubeError: one has not in time; with all of them.
    """
    workloads = [
        {"apiVersion": "apps/v1", "kind": kind, "metadata": _reference(workload)}
        for kind in _KINDS
        for workload in api.list("apps/v1", kind)
        if workload["metadata"]["namespace"] in namespaces
    ]

    def excused(workload: Object) -> bool:
        found = readiness(api)
        nodes = dict.fromkeys(found, True) | {name: found.get(name, False) for name in without}
        return waits_in_vain(workload, lambda one: pods_of(api, one), nodes)

    try:
        wait_until_all_is_back(api, workloads, waiting, timeout_s=timeout_s, excused=excused)
    except KubeError as error:
        raise KubeError(
            f"Nothing was done. The upgrade has begun, and {error}. Mend that first, or go on all the same "
            "with -e upgrade_incomplete=true"
        ) from error


def _takes_pods(node: Object) -> bool:
    return ready(node) and not node.get("spec", {}).get("unschedulable")


def version(node: Object) -> str:
    """Return the version of k3s that a node says it runs; empty where it says nothing yet."""
    found: str = node.get("status", {}).get("nodeInfo", {}).get("kubeletVersion", "")
    return found


def well(api: Api, name: str) -> list[Object]:
    """Return the workloads with pods on a node that have all the pods they want."""
    pods = api.list("v1", "Pod", fieldSelector=f"spec.nodeName={name}")
    return [
        {"apiVersion": "apps/v1", "kind": kind, "metadata": _reference(workload)}
        for kind in _KINDS
        for workload in api.list("apps/v1", kind)
        if pending(workload) is None and any(_has(workload, pod) for pod in pods)
    ]


def wait_until_it_runs(
    node: Callable[[], Object], wanted: str, waiting: Wait, *, timeout_s: float, problem: Callable[[], str]
) -> None:
    """Wait until a node is Ready and runs a version.

    Args:
        node: reads the node; may fail while the API is away.
        wanted: the version.
        waiting: how to wait.
        timeout_s: how long.
        problem: what else is wrong, empty where nothing is.

    Raises:
        KubeError: it is not in time; with what is missing.
    """
    while lacks := _lacks(node, wanted, problem):
        if waiting.waited_s > timeout_s:
            raise KubeError(f"{lacks}; not within {timeout_s:.0f} s")
        waiting.again(str, lacks, poll_s=_POLL_S)


def open_once_it_answers(connect: Callable[[], Api], name: str, waiting: Wait, *, timeout_s: float) -> bool:
    """Open a node through an API that may be away for a moment; return whether an upgrade had closed it.

    Raises:
        KubeError: the API does not answer in time.
    """
    while True:
        try:
            return open_again(connect(), name)
        except KubeError as error:
            if waiting.waited_s > timeout_s:
                raise
            waiting.again(str, str(error), poll_s=_POLL_S)


def open_again(api: Api, name: str) -> bool:
    """Let pods come to a node again where an upgrade has closed it; return whether it had."""
    node = api.call("GET", api.resource("v1", "Node").path(name=name))
    return closed_for(node) == REASON and reopen(api, node)


def wait_until_all_is_back(
    api: Api,
    workloads: Sequence[Object],
    waiting: Wait,
    *,
    timeout_s: float,
    excused: Callable[[Object], bool] = lambda _: False,
) -> None:
    """Wait until workloads have all their pods again, but for those that are excused.

    Raises:
        KubeError: one has not in time.
    """
    while lacks := [text for workload in workloads if (text := _workload_lacks(api, workload, excused))]:
        if waiting.waited_s > timeout_s:
            raise KubeError(f"after {timeout_s:.0f} s {'; '.join(lacks)}")
        waiting.again("; ".join, lacks, poll_s=_POLL_S)


def _refuse_new_servers(cluster: Cluster, found: Mapping[str, Object], replaced: Collection[str]) -> None:
    first, *others = cluster.servers
    if first in replaced:
        raise KubeError(
            f"Nothing was done. {first} has no k3s, and all others join the cluster by it; bring it back "
            "first (docs/operations.md, Several servers)"
        )
    if lost := [name for name in others if name in replaced and name in found]:
        begun = first in found and version(found[first]) == cluster.k3s_version
        how = (
            f" --limit {','.join(['localhost', first, *lost])}"
            if begun
            else ", with the k3s_version of before"
        )
        raise KubeError(
            f"Nothing was done. {', '.join(lost)} has no k3s, and while a server is missing no other is "
            f"restarted. Take the new machine in first: ansible-playbook site.yml{how}"
        )


def _lacks(node: Callable[[], Object], wanted: str, problem: Callable[[], str]) -> str:
    try:
        found = node()
    except KubeError as error:
        return str(error).split(";", maxsplit=1)[0]
    name = found["metadata"]["name"]
    if version(found) != wanted:
        return f"{name} still says that it runs {version(found)}"
    return trouble(name, found) or problem()


def _workload_lacks(api: Api, workload: Object, excused: Callable[[Object], bool]) -> str:
    meta = workload["metadata"]
    path = api.resource("apps/v1", workload["kind"]).path(meta["namespace"], meta["name"])
    try:
        found = api.call("GET", path)
    except ApiError as error:
        if error.status != NOT_FOUND:
            raise
        return ""  # somebody has deleted it meanwhile
    lacks = pending(found := found | {"kind": workload["kind"]})
    return f"{title(workload)}: {lacks}" if lacks and not excused(found) else ""


def _serves(node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    return _CONTROL_PLANE in labels or labels.get(ROLE_LABEL) == "server"


def _reference(workload: Object) -> Object:
    meta = workload["metadata"]
    return {"namespace": meta["namespace"], "name": meta["name"]}


def _has(workload: Object, pod: Object) -> bool:
    """Whether a pod is one of a workload's, by the labels."""
    selector = workload["spec"].get("selector", {}).get("matchLabels", {})
    labels = pod["metadata"].get("labels") or {}
    same_namespace = workload["metadata"]["namespace"] == pod["metadata"]["namespace"]
    return bool(selector) and same_namespace and selector.items() <= labels.items()
