"""Everything that a report needs of the API, and the application's own counts."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from miner_cluster.kube.api import Api, KubeError, Object
from miner_cluster.kube.prune import OURS
from miner_cluster.kube.waiting import Wait
from miner_cluster.report import busy

KINDS = (
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "Deployment"),
    ("batch/v1", "Job"),
)
EXEC_TIMEOUT_S = 60
POLL_S = 2.0

Counts = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What the API has."""

    nodes: list[Object]
    workloads: list[Object]
    pods: list[Object]


def look(api: Api, namespaces: Sequence[str]) -> Seen:
    """Read the nodes, our workloads in these namespaces, and all pods.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    workloads = [
        workload
        for namespace in namespaces
        for api_version, kind in KINDS
        for workload in api.list(api_version, kind, namespace, labelSelector=OURS)
    ]
    return Seen(nodes=api.list("v1", "Node"), workloads=workloads, pods=api.list("v1", "Pod"))


def counts(kubectl: Path, namespace: str) -> Counts:
    """Ask the application, in the monitor's pod, for the counts of its projects.

    Raises:
        KubeError: there is no monitor, or it can't reach the database.
    """
    command = [
        *(str(kubectl), "exec", "-n", namespace, "deploy/monitor-worker", "-c", "monitor", "--"),
        *("python", "-m", "data_miner.cli", "status", "--json"),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments
            command, capture_output=True, text=True, timeout=EXEC_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise KubeError(f"The monitor did not say its counts in {EXEC_TIMEOUT_S} s") from error
    except OSError as error:
        raise KubeError(f"{kubectl}: {error.strerror}; run: ansible-playbook site.yml --tags k3s") from error
    if done.returncode:
        words = " ".join(done.stderr.split())[-400:]
        raise KubeError(f"The projects' counts can't be read: {words}; see kubectl -n {namespace} get pods")
    try:
        found: Counts = json.loads(done.stdout)["projects"]
    except (ValueError, KeyError, TypeError) as error:
        raise KubeError(f"The monitor's counts can't be read: {done.stdout[:200]!r}") from error
    return found


def settled_counts(read: Callable[[], Counts], project: str, *, wait_s: float, waiting: Wait) -> Counts:
    """Read the counts; of a project that has no frames yet, wait until its queue is empty.

    Args:
        read: reads the counts.
        project: the one to wait for; empty for none.
        wait_s: at most; what is there by then is returned. Also how long `read` may fail.
        waiting: the wait, which tells how far the project is.

    Raises:
        KubeError: they could not be read in time.
    """
    fresh = False
    while True:
        try:
            found = read()
        except KubeError as error:
            if waiting.waited_s >= wait_s:
                raise
            waiting.again(str, error, poll_s=POLL_S)
        else:
            now = found.get(project)
            fresh = fresh or (bool(project) and (now is None or now["frames"] == 0))
            seeded = now is not None and bool(now["stages"])
            settled = now is not None and seeded and busy(now) == 0
            if not fresh or waiting.waited_s >= wait_s or settled:
                return found
            waiting.again(_progress, project, now, poll_s=POLL_S)


def _progress(project: str, now: Any) -> str:
    if now is None or not now["stages"]:
        return f"project {project}: nothing is queued yet"
    return f"project {project}: {now['videos']} videos, {now['frames']} frames, {busy(now)} items to go"
