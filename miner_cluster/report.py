"""A cluster's state in one picture: machines, workloads, storage, projects, stand-ins, and what is wrong.

Pure: the modules collect, this puts together, and ``report_text`` prints.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypedDict

from data_miner.capacity import Space, problem, warning
from data_miner.config.model import StorageConfig
from miner_cluster.cluster import Cluster
from miner_cluster.kube.api import Object
from miner_cluster.kube.draining import closed_for
from miner_cluster.kube.many import Pods
from miner_cluster.kube.node_labels import ANNOTATION as LABELS
from miner_cluster.kube.prune import title
from miner_cluster.kube.rollout import pending, ready
from miner_cluster.kube.upgrade import REASON, version
from miner_cluster.manifest_item import IMAGE_ANNOTATION

UNKNOWN = "unknown"
#: a certificate that ends sooner is a problem; every site.yml makes anew what ends in four times as many
_CERTIFICATE_DAYS = 30
#: a backup that is due each day is missed after so long; one that is hours late may be on its way
_BACKUP_LATE = timedelta(hours=36)


class Look(TypedDict, total=False):
    """What a machine says of itself, as ``shared_file`` returns it; nothing when it can't be reached."""

    mounted: bool
    free_bytes: int
    total_bytes: int
    stored_bytes: int
    shared_free_bytes: int
    shared_total_bytes: int
    #: texts of k3s' certificates by path
    certificates: dict[str, str]


class Report(TypedDict):
    """Everything that is shown, for programs."""

    cluster: str
    namespace: str
    k3s_version: str
    #: who changes the cluster now, in words; empty where nobody does or that was not asked
    at_work: str
    nodes: list[dict[str, Any]]
    workloads: list[dict[str, Any]]
    #: size and use of the shared storage; None where no machine that has it mounted could be asked
    shared: dict[str, Any] | None
    #: of each image that was brought to the machines, by its ID, where it runs
    images: dict[str, dict[str, list[str]]]
    projects: dict[str, Any]
    #: when the first certificate of the storage ends, as a date; empty where that is not known
    storage_certificates_end: str
    #: when the first certificate of k3s ends, as a date; empty where no machine could be asked
    k3s_certificates_end: str
    #: when the newest finished backup was begun; empty where there is none
    last_backup: str
    #: where people reach what, by what it is
    pages: dict[str, str]
    stand_ins: list[str]
    #: where the cluster is not as it is rendered
    drift: list[str]
    #: what is well now and may not stay so
    warnings: list[str]
    problems: list[str]


def build(
    cluster: Cluster,
    *,
    nodes: Sequence[Object] | None,
    workloads: Sequence[Object],
    pods: Sequence[Object],
    looks: Mapping[str, Look],
    projects: Mapping[str, Any],
    stand_ins: Sequence[str],
    certificates_end: datetime | None = None,
    k3s_certificates_end: datetime | None = None,
    last_backup: datetime | None = None,
    at_work: str = "",
    drift: Sequence[str] = (),
    warnings: Sequence[str] = (),
    problems: Sequence[str] = (),
    limits: StorageConfig | None = None,
) -> Report:
    """Put the picture together.

    Args:
        cluster: the configuration.
        nodes: the cluster's Nodes; None where nobody could be asked.
        workloads: our Deployments, StatefulSets, DaemonSets and Jobs.
        pods: all pods of the cluster.
        looks: what each machine that was asked says; nothing where it did not answer.
        projects: as ``data-miner status --json`` counts them.
        stand_ins: sentences about what stands in for what.
        certificates_end: when the first certificate of the storage ends.
        k3s_certificates_end: when the first certificate of k3s ends.
        last_backup: when the newest finished backup was begun.
        at_work: who changes the cluster now.
        drift: where the cluster is not as it is rendered.
        warnings: what is well now and may not stay so.
        problems: what was found wrong while looking.
        limits: how full the shared storage may get; None where they could not be read.
    """
    shared = _shared(looks.values())
    used = shared["used_percent"] if shared else 0.0
    full, fills = (problem(used, limits), warning(used, limits)) if limits else ("", "")
    named = {node["metadata"]["name"]: node for node in nodes or ()}
    there, labelled = _pods_by_node(pods), Pods(pods)
    rows = [_node(name, cluster, named.get(name), there[name], looks.get(name)) for name in cluster.nodes]
    if nodes is None:
        rows = [row | {"state": UNKNOWN} for row in rows]
    return Report(
        cluster=cluster.name,
        namespace=cluster.namespace,
        k3s_version=cluster.k3s_version,
        at_work=at_work,
        nodes=rows,
        workloads=[_workload(workload, labelled) for workload in workloads],
        shared=shared,
        images={
            image: {image_id: sorted(where) for image_id, where in ids.items()}
            for image, ids in images(pods).items()
        },
        projects=dict(projects),
        storage_certificates_end=certificates_end.date().isoformat() if certificates_end else "",
        k3s_certificates_end=k3s_certificates_end.date().isoformat() if k3s_certificates_end else "",
        last_backup=last_backup.isoformat() if last_backup else "",
        pages=pages(cluster),
        stand_ins=list(stand_ins),
        drift=list(drift),
        warnings=[
            *([fills] if fills else []),
            *_other_versions(cluster, named),
            *_strangers(cluster, named),
            *warnings,
        ],
        problems=[
            *problems,
            *(_node_problem(row) for row in rows if row["state"] not in {"Ready", UNKNOWN}),
            *(
                f"{name} does not answer; run: make doctor"
                for name, look in looks.items()
                if "mounted" not in look
            ),
            *(
                f"{row['name']}: the shared storage is not mounted; see: "
                f"kubectl -n {cluster.seaweedfs.namespace} get pods -o wide"
                for row in rows
                if row["mounted"] is False
            ),
            *(f"{title(w)}: {reason}; see: {_describe(w)}" for w in workloads if (reason := pending(w))),
            *([full] if full else []),
            *(
                f"project {name} waits: {reason}"
                for name, project in projects.items()
                if not any(stage["leased"] for stage in project["stages"].values())
                for reason in project.get("waiting", ())
            ),
            *image_problems(pods),
        ],
    )


def _other_versions(cluster: Cluster, nodes: Mapping[str, Object]) -> Iterator[str]:
    """Return who runs another k3s than the configuration says."""
    for name, node in nodes.items():
        if name in cluster.nodes and (found := version(node)) not in {"", cluster.k3s_version}:
            yield (
                f"{name} runs k3s {found}, and cluster.k3s_version is {cluster.k3s_version}; "
                "run: ansible-playbook playbooks/upgrade.yml"
            )


def _strangers(cluster: Cluster, nodes: Mapping[str, Object]) -> Iterator[str]:
    """Return nodes that are not in the file, with what becomes of them."""
    for name in sorted(nodes.keys() - cluster.nodes.keys()):
        labelled_here = LABELS in (nodes[name]["metadata"].get("annotations") or {})
        yield f"{name} is a node of the cluster and not in cluster_config.yaml; " + (
            "site.yml takes it out" if labelled_here else "site.yml leaves it alone"
        )


def _shared(looks: Iterable[Look]) -> dict[str, Any] | None:
    """Return how full the shared storage is, as the first machine sees it that can tell."""
    for look in looks:
        if size := look.get("shared_total_bytes"):
            found = Space(size_bytes=size, free_bytes=look["shared_free_bytes"])
            return {
                "total_bytes": found.size_bytes,
                "free_bytes": found.free_bytes,
                "used_percent": round(found.used_percent, 1),
            }
    return None


def pages(cluster: Cluster) -> dict[str, str]:
    """Return the addresses of what people look at in a browser, by its name."""
    host = cluster.nodes[cluster.servers[0]].ip
    monitor = cluster.workers.get("monitor")
    ports = {
        "the pipeline": monitor.node_port if monitor else None,
        **{
            name.capitalize(): cluster.infrastructure[name].node_port
            for name in ("grafana", "adminer")
            if name in cluster.infrastructure
        },
    }
    return {name: f"http://{host}:{port}" for name, port in ports.items() if port is not None}


def images(pods: Iterable[Object]) -> dict[str, dict[str, set[str]]]:
    """Return of each image that was brought to the machines, by its ID, the machines on which it runs."""
    found: dict[str, dict[str, set[str]]] = {}
    for pod in pods:
        wanted = pod["metadata"].get("annotations", {}).get(IMAGE_ANNOTATION)
        if wanted is None:
            continue
        for container in pod.get("status", {}).get("containerStatuses", []):
            if image_id := container.get("imageID", "").rpartition("@")[2]:
                where = found.setdefault(container["image"], {}).setdefault(image_id, set())
                where.add(pod["spec"].get("nodeName", "?"))
    return found


def image_problems(pods: Iterable[Object]) -> list[str]:
    """Return images of ours that run under one name and are not the same everywhere."""
    return [
        f"{image} is not the same everywhere: "
        + ", ".join(f"{image_id[:19]} on {', '.join(sorted(where))}" for image_id, where in ids.items())
        + "; run: ansible-playbook site.yml --tags docker"
        for image, ids in images(pods).items()
        if len(ids) > 1
    ]


def certificate_problems(end: datetime, now: datetime) -> list[str]:
    """Return what is wrong with the storage's certificates, by the end of the first."""
    if (left := (end - now).days) >= _CERTIFICATE_DAYS:
        return []
    when = f"ends in {left} days" if left >= 0 else "has ended"
    return [f"a certificate of the shared storage {when}; run: ansible-playbook site.yml --tags seaweedfs"]


def busy(project: Mapping[str, Any]) -> int:
    """Return how many items of a project wait or are worked on."""
    return sum(stage["ready"] + stage["leased"] for stage in project["stages"].values())


def backup_warnings(last: datetime | None, daily_at: str | None, now: datetime) -> list[str]:
    """Return what is wrong with backups that are due each day."""
    if daily_at is None or (last is not None and now - last < _BACKUP_LATE):
        return []
    found = f"the last is of {last:%Y-%m-%d %H:%M} UTC" if last else "there is none"
    return [f"a backup is due each day at {daily_at} (backup.daily_at), and {found}; to see why: make backup"]


def project_problems(projects: Mapping[str, Any], name: str, namespace: str) -> list[str]:
    """Return why a project that should have frames has none, unless it is still at it.

    Args:
        projects: as ``data-miner status --json`` counts them.
        name: of the project; empty for none.
        namespace: where the application runs.
    """
    if not name:
        return []
    if name not in projects:
        return [f"project {name} was not queued; why: kubectl -n {namespace} logs deploy/monitor-worker"]
    project = projects[name]
    if project["frames"]:
        return []
    if dead := given_up(project):
        return [
            f"project {name} has no frames: {dead} items were given up; why: {why_given_up(name, namespace)}"
        ]
    if busy(project) == 0:
        return [
            f"project {name} has no frames, and nothing is left to do: nothing was found, or all was "
            f"skipped; why: kubectl -n {namespace} logs -l app.kubernetes.io/component=worker --prefix"
        ]
    return []


def _pods_by_node(pods: Iterable[Object]) -> Counter[str]:
    """Return how many pods are or get on a node, by its name."""
    alive = (pod for pod in pods if pod["status"].get("phase") in {"Running", "Pending"})
    return Counter(pod["spec"].get("nodeName", "") for pod in alive)


def _node(name: str, cluster: Cluster, node: Object | None, pods: int, look: Look | None) -> dict[str, Any]:
    state, closed = "missing", None
    if node is not None:
        closed = closed_for(node)
        conditions = {c["type"]: c["status"] for c in node.get("status", {}).get("conditions", [])}
        state = "Ready" if conditions.get("Ready") == "True" else "NotReady"
        if node.get("spec", {}).get("unschedulable"):
            state += ", cordoned"
    return {
        "name": name,
        "role": "storage" if cluster.nodes[name].storage_only else cluster.nodes[name].role,
        "state": state,
        "closed_for": closed,
        "pods": pods,
        "mounted": None if look is None else look.get("mounted"),
        "free_bytes": None if look is None else look.get("free_bytes"),
        "total_bytes": None if look is None else look.get("total_bytes"),
        "stored_bytes": None if look is None else look.get("stored_bytes"),
        "disk_limit_mb": cluster.nodes[name].disk_limit_mb,
    }


def _node_problem(row: Mapping[str, Any]) -> str:
    name, state = row["name"], row["state"]
    if state == "missing":
        return f"{name} is missing; run: ansible-playbook site.yml --tags k3s"
    if state.startswith("Ready") and row["closed_for"] == REASON:
        return (
            f"{name} is closed by upgrade.yml; if that is not at work: ansible-playbook playbooks/upgrade.yml"
        )
    if state.startswith("Ready"):
        return f"{name} is {state}; when it may work again: kubectl uncordon {name}"
    return f"{name} is {state}; start it, or see there: journalctl -u 'k3s*' --since -1h"


def _describe(workload: Object) -> str:
    meta = workload["metadata"]
    return f"kubectl -n {meta['namespace']} describe {workload['kind'].lower()} {meta['name']}"


def _workload(workload: Object, pods: Pods) -> dict[str, Any]:
    status, meta, own = workload.get("status", {}), workload["metadata"], pods.of(workload)
    counts = {
        "DaemonSet": ("numberAvailable", status.get("desiredNumberScheduled", 0)),
        "Job": ("succeeded", workload["spec"].get("completions", 1)),
    }
    field, wanted = counts.get(workload["kind"], ("availableReplicas", workload["spec"].get("replicas", 1)))
    return {
        "name": f"{meta['namespace']}/{meta['name']}",
        "kind": workload["kind"],
        "ready": status.get(field, 0),
        "wanted": wanted,
        "nodes": sorted(
            {pod["spec"]["nodeName"] for pod in own if pod["spec"].get("nodeName") and ready(pod)}
        ),
    }


def given_up(project: Mapping[str, Any]) -> int:
    """Return how many items of a project are dead letters."""
    return sum(stage["dead"] for stage in project["stages"].values())


def why_given_up(name: str, namespace: str) -> str:
    """Return the command that lists what was given up."""
    return f"kubectl -n {namespace} exec deploy/monitor-worker -- data-miner failed {name}"
