"""What Grafana says of itself, asked through the API: node ports may be out of the controller's reach."""

from __future__ import annotations

from miner_cluster.cluster import Cluster
from miner_cluster.kube.api import Api, ApiError

NAME = "grafana"


def grafana_problems(api: Api, cluster: Cluster) -> list[str]:
    """Return why Grafana is not well; nothing where the cluster has none.

    Raises:
        KubeError: the API does not answer.
    """
    service = cluster.infrastructure.get(NAME)
    if service is None or not service.replicas:
        return []
    path = f"/api/v1/namespaces/{cluster.namespace}/services/{NAME}:{NAME}/proxy/api/health"
    try:
        api.raw("GET", path)
    except ApiError as error:
        return [f"Grafana is not well: {error}"]
    return []
