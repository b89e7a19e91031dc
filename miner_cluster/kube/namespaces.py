"""Namespaces that must not be applied: somebody else's, and a second one beside that in which we run."""

from __future__ import annotations

from miner_cluster.kube.api import Api, KubeError, Object
from miner_cluster.kube.prune import OURS, PHASE_LABEL, ours, title

_INSTANCE_LABEL = "app.kubernetes.io/instance"
_WORKLOADS = ("StatefulSet", "DaemonSet", "Deployment")


def refuse_foreign(present: Object) -> None:
    """Check that a namespace with a wanted name is ours.

    Raises:
        KubeError: somebody else made it; applying would make it ours, and teardown would delete it.
    """
    if not ours(present):
        name = present["metadata"]["name"]
        raise KubeError(
            f"{title(present)} is there and was not made by these playbooks (it lacks the labels {OURS}); "
            "nothing was changed. Choose another namespace in cluster_config.yaml. To hand it over, also "
            f"to teardown, which deletes it: kubectl label namespace {name} {OURS.replace(',', ' ')}"
        )


def refuse_second(api: Api, wanted: Object) -> None:
    """Check that nothing of ours runs under another name of a namespace.

    Raises:
        KubeError: something does; started a second time it would write to the same directories.
    """
    labels = wanted["metadata"].get("labels") or {}
    same = [f"{name}={labels[name]}" for name in (_INSTANCE_LABEL, PHASE_LABEL) if name in labels]
    new = wanted["metadata"]["name"]
    for namespace in api.list("v1", "Namespace", labelSelector=",".join([OURS, *same])):
        old = namespace["metadata"]["name"]
        running = [] if old == new else _running(api, old)
        if running:
            raise KubeError(
                f"The namespace is to be {new}, and in {old} there is still {', '.join(running)}: both would "
                f"write to the same directories. Nothing was changed. Write {old} back into "
                "cluster_config.yaml. To rename it, remove what runs under the old name before you change it "
                "(data stays): ansible-playbook teardown.yml --tags deploy"
            )


def _running(api: Api, namespace: str) -> list[str]:
    return [
        title(found)
        for kind in _WORKLOADS
        for found in api.list("apps/v1", kind, namespace, labelSelector=OURS)
    ]
