"""Whether the workers' new images bring the database's schema that those which run have."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from miner_cluster.cluster import Cluster
from miner_cluster.kube.api import Api
from miner_cluster.kube.deployed import images_of
from miner_cluster.kube.prune import OURS
from miner_cluster.model_workers import worker_image

_WORKERS = "app.kubernetes.io/component=worker"


def schema_kept(
    api: Api, cluster: Cluster, images: Mapping[str, str], schema_of: Callable[[str], str | None]
) -> bool:
    """Return whether each worker runs, and had this schema before. In doubt it has not.

    Args:
        api: of the cluster.
        cluster: its configuration.
        images: of each image reference the ID that is to run.
        schema_of: what tells the schema that an image brings, by its ID; None where that is not known.

    Raises:
        KubeError: the API refuses or does not answer.
    """
    wanted = {images.get(worker_image(cluster, stage), "") for stage in cluster.workers}
    has = {
        image_id
        for kind in ("Deployment", "StatefulSet")
        for workload in api.list("apps/v1", kind, cluster.namespace, labelSelector=f"{OURS},{_WORKERS}")
        for image_id in images_of([workload]).values() or [""]
    }
    schemas = {schema_of(image_id) for image_id in wanted | has}
    return bool(has) and len(schemas) == 1 and None not in schemas
