"""Workers that were started while their machine's GPU could not be used: they have none until they end."""

from __future__ import annotations

import subprocess
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from miner_cluster.kube.api import Object
from miner_cluster.kube.rollout import ready
from miner_cluster.manifest_item import GPU_ENV

_LOOK = 'for node in /dev/nvidia[0-9]*; do [ -e "$node" ] && echo yes && exit; done; echo no'
_TIMEOUT_S = 30


@dataclass(frozen=True, kw_only=True)
class Worker:
    """A container that asks for GPUs, in a pod that runs."""

    pod: str
    namespace: str
    container: str
    node: str


def workers(pods: Iterable[Object], nodes: Collection[str]) -> list[Worker]:
    """Return what asks for GPUs and runs on these nodes."""
    return [
        Worker(
            pod=pod["metadata"]["name"],
            namespace=pod["metadata"]["namespace"],
            container=container["name"],
            node=pod["spec"]["nodeName"],
        )
        for pod in pods
        if pod["spec"].get("nodeName") in nodes and ready(pod)
        for container in pod["spec"]["containers"]
        if set(GPU_ENV) <= {variable["name"] for variable in container.get("env", ())}
    ]


def on_the_cpu(kubectl: Path, found: Iterable[Worker]) -> list[str]:
    """Return a sentence about each that has no GPU; of one that can't be asked, as it ends, none."""
    return [
        f"{one.pod} on {one.node} was started without the GPU, and works on the CPU until it is made anew: "
        f"kubectl -n {one.namespace} delete pod {one.pod}"
        for one in found
        if _says(kubectl, one) == "no"
    ]


def _says(kubectl: Path, one: Worker) -> str:
    command = [
        *(str(kubectl), "exec", "-n", one.namespace, one.pod, "-c", one.container, "--"),
        *("sh", "-c", _LOOK),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - our own program
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
