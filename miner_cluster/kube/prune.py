"""Find and delete objects of ours that nothing renders any more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from miner_cluster.kube.api import NOT_FOUND, Api, ApiError, KubeError, Object
from miner_cluster.pods import COMPONENT_LABEL

OURS = "app.kubernetes.io/part-of=data-miner,app.kubernetes.io/managed-by=ansible"
PHASE_LABEL = "data-miner/phase"
#: annotation of a volume server's StatefulSet from which everything was moved to others
EMPTIED = "data-miner/emptied"
# What a phase can leave behind when something is taken out of the configuration. Namespaces and Secrets
# are not here: teardown removes the former, and a password must outlive a mistake in a template.
PRUNED_KINDS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("batch/v1", "CronJob"),
    ("batch/v1", "Job"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "ServiceAccount"),
    ("policy/v1", "PodDisruptionBudget"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    # Where the cluster has KEDA.
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("keda.sh/v1alpha1", "TriggerAuthentication"),
)


def key(obj: Object) -> tuple[str, str, str, str]:
    """What tells an object from every other: apiVersion, kind, namespace, name."""
    meta = obj["metadata"]
    return obj["apiVersion"], obj["kind"], meta.get("namespace", ""), meta["name"]


def title(obj: Object) -> str:
    """How messages name an object."""
    _, kind, namespace, name = key(obj)
    return f"{kind} {namespace}/{name}" if namespace else f"{kind} {name}"


def ours(obj: Object) -> bool:
    """Whether an object carries the labels that everything of ours has."""
    labels = obj["metadata"].get("labels") or {}
    return all(
        labels.get(name) == value for name, _, value in (part.partition("=") for part in OURS.split(","))
    )


def leftovers(present: Iterable[Object], wanted: Iterable[Object]) -> list[Object]:
    """Objects that nothing renders any more; what a controller made follows its owner."""
    keep = {key(obj) for obj in wanted}
    return [obj for obj in present if key(obj) not in keep and not obj["metadata"].get("ownerReferences")]


def find_leftovers(
    api: Api, wanted: Sequence[Object], phases: Sequence[str], namespaces: Iterable[str]
) -> list[Object]:
    """Return our objects of these phases in these namespaces that `wanted` does not hold.

    Raises:
        KubeError: the API refuses or does not answer, or nothing at all is wanted of a phase that there is.
    """
    if not phases:
        return []
    selector = f"{OURS},{PHASE_LABEL} in ({','.join(phases)})"
    found = [
        obj
        for namespace in namespaces
        for api_version, kind in PRUNED_KINDS
        if api.knows(api_version, kind)
        for obj in leftovers(api.list(api_version, kind, namespace, labelSelector=selector), wanted)
    ]
    _refuse_whole_phases(found, {_phase(obj) for obj in wanted})
    return found


def _refuse_whole_phases(found: Sequence[Object], wanted: set[str]) -> None:
    """Check that no phase would go as a whole: a mistake looks like that, and takes a database with it."""
    kinds = ",".join(kind.lower() for _, kind in PRUNED_KINDS)
    for phase in sorted({_phase(obj) for obj in found} - wanted):
        whole = [obj for obj in found if _phase(obj) == phase]
        namespace = whole[0]["metadata"]["namespace"]
        raise KubeError(
            f"Nothing is wanted of the phase {phase}, and all that there is of it would be deleted: "
            f"{', '.join(title(obj) for obj in whole)}. Nothing was deleted. Look at cluster_config.yaml; "
            f"where this is meant, run: kubectl -n {namespace} delete {kinds} -l {PHASE_LABEL}={phase}"
        )


def refuse_storage(found: Sequence[Object]) -> None:
    """Check that no server of the shared storage would go whose files were not moved to others.

    Raises:
        KubeError: one would, and nothing may be deleted.
    """
    for obj in found:
        meta = obj["metadata"]
        volumes = (meta.get("labels") or {}).get(COMPONENT_LABEL) == "volume"
        if obj["kind"] == "StatefulSet" and volumes and EMPTIED not in (meta.get("annotations") or {}):
            raise KubeError(
                f"{title(obj)} holds files of the shared storage, and cluster_config.yaml has no place for "
                "it any more; nothing was deleted. Put its node back, or run: "
                "ansible-playbook site.yml --tags seaweedfs, which moves its files to other nodes first"
            )


def _phase(obj: Object) -> str:
    return str((obj["metadata"].get("labels") or {}).get(PHASE_LABEL, ""))


def delete(api: Api, obj: Object) -> bool:
    """Delete one object and what it owns; False when it was not there."""
    meta = obj["metadata"]
    path = api.resource(obj["apiVersion"], obj["kind"]).path(meta.get("namespace"), meta["name"])
    try:
        api.call("DELETE", path, {"propagationPolicy": "Background"})
    except ApiError as error:
        if error.status == NOT_FOUND:
            return False
        raise KubeError(f"{title(obj)} can't be deleted: {error}") from error
    return True
