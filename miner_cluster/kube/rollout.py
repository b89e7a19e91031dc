"""Wait until workloads run what was applied; when they don't, say why in the pods' own words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from miner_cluster.kube import several
from miner_cluster.kube.absent_nodes import held_up, readiness
from miner_cluster.kube.api import Api, ApiError, KubeError, Object
from miner_cluster.kube.many import Pods, look_up
from miner_cluster.kube.prune import key, title
from miner_cluster.kube.waiting import POLL_S, Wait

WORKLOADS = {"Deployment", "StatefulSet", "DaemonSet", "Job"}
# Waiting reasons that no amount of waiting mends.
HOPELESS = {"ErrImageNeverPull", "InvalidImageName", "CreateContainerConfigError"}
HOPELESS_AFTER_S = 20
# Restarts of one container within one wait after which it is given up: with the kubelet's growing pauses a
# minute and a half, in which what a pod needs has had time to come up.
TOO_MANY_RESTARTS = 4
LOG_LINES = 12
# What the kubelet says, with status 200, where a container that ended is gone already.
_NO_LOGS = "unable to retrieve container logs"
# Reasons for which a container waits that is about to start.
_ON_ITS_WAY = {"", "ContainerCreating", "PodInitializing"}
# Of more workloads than so many the pods are asked for together, and not all are named in one line.
MANY = 10
# Of the time that a look takes: how much longer is the pause before the next.
PAUSES = 2


def pending(obj: Object) -> str | None:
    """What a workload still lacks, in words; None when it runs what was applied."""
    spec, status = obj.get("spec", {}), obj.get("status", {})
    kind = obj["kind"]
    if kind == "Job":
        return _pending_job(obj)
    if not _seen(obj):
        return "its controller has not seen the change yet"
    if kind == "DaemonSet":
        wanted = status.get("desiredNumberScheduled", 0)
        updated = status.get("updatedNumberScheduled", 0)
        on_delete = spec.get("updateStrategy", {}).get("type") == "OnDelete"
        have = status.get("numberAvailable", 0)
    else:
        wanted = spec.get("replicas", 1)
        updated = status.get("updatedReplicas", 0)
        on_delete = spec.get("updateStrategy", {}).get("type") == "OnDelete"
        have = status.get("availableReplicas", 0)
    if not on_delete and updated < wanted:
        return f"{updated} of {wanted} pods updated"
    if kind == "Deployment" and status.get("replicas", 0) > wanted:
        return f"{status['replicas'] - wanted} old pods still running"
    if have < wanted:
        return f"{have} of {wanted} pods ready"
    return None


def failed(obj: Object) -> str | None:
    """Why a Job has given up; None while it may still complete."""
    for condition in obj.get("status", {}).get("conditions", []) if obj["kind"] == "Job" else []:
        if condition["type"] == "Failed" and condition["status"] == "True":
            return condition.get("message") or condition.get("reason") or "failed"
    return None


def _replaced_by_hand(obj: Object) -> bool:
    """Whether a workload has pods of before that nobody replaces by itself; they may not work any more."""
    if obj["kind"] != "DaemonSet" or obj["spec"].get("updateStrategy", {}).get("type") != "OnDelete":
        return False
    status = obj.get("status", {})
    return bool(
        _seen(obj) and status.get("updatedNumberScheduled", 0) < status.get("desiredNumberScheduled", 0)
    )


def _seen(obj: Object) -> bool:
    """Whether a workload's controller has seen what was applied."""
    generation = obj["metadata"].get("generation", 1)
    return bool(obj.get("status", {}).get("observedGeneration", 0) >= generation)


def _pending_job(obj: Object) -> str | None:
    done = obj.get("status", {}).get("succeeded", 0)
    wanted = obj.get("spec", {}).get("completions", 1)
    return None if done >= wanted else f"{done} of {wanted} completed"


def hopeless(pods: Iterable[Object]) -> bool:
    """Whether a pod waits for something that only a person can change."""
    return any(
        container.get("state", {}).get("waiting", {}).get("reason") in HOPELESS
        for pod in pods
        for container in _containers(pod)
    )


def restarts(pods: Iterable[Object]) -> dict[str, int]:
    """How often each container was restarted, by its pod's identity and its name."""
    return {
        f"{pod['metadata']['uid']}/{container['name']}": container.get("restartCount", 0)
        for pod in pods
        for container in _containers(pod)
    }


def wait(api: Api, objects: Sequence[Object], *, timeout_s: float, waiting: Wait) -> None:
    """Wait until every workload among `objects` is rolled out, as far as machines that are away let it.

    Pods of a StatefulSet that don't depend on each other are replaced several at once, after the first.

    Raises:
        KubeError: one is not, in time or ever; the message holds its pods' states, last log lines and events.
    """
    left = workloads(objects)
    first: dict[str, int] = {}
    while left:
        began_s = waiting.waited_s
        states = _states(api, left)
        states = [(obj, now) for obj, now in states if not _replaced_by_hand(now)]
        pods = _pods(api, [now for _, now in states if pending(now)])
        states = _without_held_up(api, states, pods)
        left = [obj for obj, now in states if pending(now)]
        waited = waiting.waited_s
        for obj, now in states:
            if (reason := failed(now)) is not None:
                raise KubeError(f"{title(obj)} failed: {reason}\n{explain(api, now)}")
            if (lacks := pending(now)) is None:
                continue
            own = pods(now)
            if waited > HOPELESS_AFTER_S and hopeless(own):
                raise KubeError(f"{title(obj)} can't start: {lacks}\n{explain(api, now)}")
            for container, count in restarts(own).items():
                # Those of before belong to what this very change may mend.
                if count - first.setdefault(container, count) >= TOO_MANY_RESTARTS:
                    raise KubeError(f"{title(obj)} ends again and again: {lacks}\n{explain(api, now)}")
            if _seen(now):
                several.replace(api, several.to_replace(now, own, [pod for pod in own if ready(pod)]))
        if left and waited > timeout_s:
            missing = [(obj, now) for obj, now in states if pending(now)]
            told = "\n".join(f"{title(obj)}: {pending(now)}\n{explain(api, now)}" for obj, now in missing[:3])
            names = ", ".join(title(obj) for obj, _ in missing[:MANY])
            names += f" and {len(missing) - MANY} more" if len(missing) > MANY else ""
            raise KubeError(f"Not ready after {waited:.0f} s: {names}\n{told}")
        if left:
            # A look at many takes long, and the server must come to something else too.
            pause_s = PAUSES * (waiting.waited_s - began_s) if len(left) > MANY else 0
            waiting.again(_in_words, states, pods, poll_s=max(POLL_S, pause_s))


def _held_by(pods: Iterable[Object]) -> str:
    """Return what containers wait for that should run, such as that they ended a moment ago; in brackets."""
    found = {
        container["state"]["waiting"].get("reason", "")
        for pod in pods
        for container in _containers(pod)
        if "waiting" in container.get("state", {})
    } - _ON_ITS_WAY
    return f" ({', '.join(sorted(found))})" if found else ""


def _states(api: Api, objects: Sequence[Object]) -> list[tuple[Object, Object]]:
    """Return each object with what the API has; one that is not there is refused."""
    found = look_up(api, objects)
    return [(obj, found.get(key(obj)) or api.call("GET", _path(api, obj))) for obj in objects]


def _pods(api: Api, workloads: Sequence[Object]) -> Callable[[Object], list[Object]]:
    """Return what finds a workload's pods: those of many are asked for together."""
    if len(workloads) <= MANY:
        return lambda workload: pods_of(api, workload)
    namespaces = {workload["metadata"].get("namespace") for workload in workloads}
    return Pods(pod for namespace in namespaces for pod in api.list("v1", "Pod", namespace)).of


def _without_held_up(
    api: Api, states: Sequence[tuple[Object, Object]], pods: Callable[[Object], list[Object]]
) -> list[tuple[Object, Object]]:
    """Leave out what waits for nothing but a machine that is away."""
    nodes = readiness(api) if any(pending(now) for _, now in states) else {}

    return [(obj, now) for obj, now in states if not waits_in_vain(now, pods, nodes)]


def waits_in_vain(now: Object, pods: Callable[[Object], list[Object]], nodes: Mapping[str, bool]) -> bool:
    """Whether a workload waits for nothing but a machine that is away.

    Args:
        now: the workload.
        pods: finds a workload's pods.
        nodes: of each node whether it is Ready.
    """
    lags = now["kind"] != "Job" and _seen(now) and pending(now)
    return bool(lags) and held_up(now, pods(now), nodes)


def _in_words(states: Iterable[tuple[Object, Object]], pods: Callable[[Object], list[Object]]) -> str:
    lacking = [
        f"{title(obj)}: {lacks}{_held_by(pods(now))}" for obj, now in states if (lacks := pending(now))
    ]
    more = f"; and {len(lacking) - MANY} more" if len(lacking) > MANY else ""
    return "; ".join(lacking[:MANY]) + more


def workloads(objects: Iterable[Object]) -> list[Object]:
    """Return those objects that run something."""
    return [obj for obj in objects if obj["kind"] in WORKLOADS]


def not_settled(api: Api, objects: Iterable[Object]) -> list[Object]:
    """Return the workloads among existing objects that do not run what was applied."""
    return [obj for obj, now in _states(api, workloads(objects)) if pending(now)]


def pods_of(api: Api, workload: Object, **query: str) -> list[Object]:
    """Pods that a workload's selector matches, and the query."""
    labels = workload["spec"].get("selector", {}).get("matchLabels", {})
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    return api.list("v1", "Pod", workload["metadata"].get("namespace"), labelSelector=selector, **query)


def explain(api: Api, workload: Object) -> str:
    """State, last log lines and events of the workload's pods that are not ready, and of itself."""
    namespace = workload["metadata"].get("namespace", "")
    lines: list[str] = []
    sick = [pod for pod in pods_of(api, workload) if not ready(pod)]
    for pod in sick[:2]:
        name = pod["metadata"]["name"]
        where = pod["spec"].get("nodeName", "no node")
        state = trouble(pod) or pod.get("status", {}).get("phase", "unknown")
        lines.append(f"  pod {name} on {where}: {state}")
        lines += [f"    log: {line}" for line in _last_log_lines(api, pod)]
        lines += [f"    event: {line}" for line in _events(api, namespace, name)]
    if not sick:
        lines += [f"  event: {line}" for line in _events(api, namespace, workload["metadata"]["name"])]
    return "\n".join(lines)


def ready(pod: Object) -> bool:
    """Whether a pod serves, or has finished its work."""
    status = pod.get("status", {})
    if status.get("phase") == "Succeeded":
        return True
    conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def trouble(pod: Object) -> str | None:
    """What holds a pod up: why it can't be scheduled, what a container waits for or died of."""
    found = []
    for condition in pod.get("status", {}).get("conditions", []):
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            found.append(f"not scheduled: {condition.get('message', '')}")
    for container in _containers(pod):
        state = container.get("state", {})
        ended = state.get("terminated") or container.get("lastState", {}).get("terminated") or {}
        if "waiting" in state:
            words = (container["name"], state["waiting"].get("reason"), state["waiting"].get("message"))
            found.append(": ".join(word for word in words if word))
        if ended.get("exitCode"):
            reason = ended.get("reason", "no reason given")
            found.append(f"{container['name']} ended with exit code {ended['exitCode']} ({reason})")
    return "; ".join(found) or None


def _containers(pod: Object) -> list[Object]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _path(api: Api, obj: Object) -> str:
    meta = obj["metadata"]
    return api.resource(obj["apiVersion"], obj["kind"]).path(meta.get("namespace"), meta["name"])


def _last_log_lines(api: Api, pod: Object) -> list[str]:
    """Last lines of the first container that ended or is not ready; of its previous run, if it restarts."""
    path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/log"
    for container in _containers(pod):
        ended_well = container.get("state", {}).get("terminated", {}).get("exitCode") == 0
        if container.get("ready") or ended_well:
            continue
        for previous in ("true", "false"):
            try:
                text = api.raw(
                    "GET", path, container=container["name"], tailLines=str(LOG_LINES), previous=previous
                ).decode(errors="replace")
            except ApiError:
                continue
            if text.strip() and not text.startswith(_NO_LOGS):
                return [f"{container['name']} | {line}" for line in text.splitlines()]
    return []


def _events(api: Api, namespace: str, name: str) -> list[str]:
    """The last warnings about an object."""
    events = api.list("v1", "Event", namespace, fieldSelector=f"involvedObject.name={name},type=Warning")
    return [f"{e.get('reason')}: {e.get('message', '').strip()}" for e in events[-3:]]
