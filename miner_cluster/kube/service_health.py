"""What services say of themselves, asked through the API: node ports may be out of the controller's reach."""

from __future__ import annotations

from collections.abc import Iterator

from miner_cluster.cluster import Cluster
from miner_cluster.config_checks import MONITOR
from miner_cluster.kube.api import Api, ApiError
from miner_cluster.manifest_item import PAGE

GRAFANA = "grafana"


def service_problems(api: Api, cluster: Cluster) -> list[str]:
    """Return which of Grafana and the page are not well, and why; nothing of those it has not.

    Raises:
        KubeError: the API does not answer.
    """
    problems = []
    for title, service, path in _asked(cluster):
        try:
            api.raw(
                "GET", f"/api/v1/namespaces/{cluster.namespace}/services/{service}:{service}/proxy/{path}"
            )
        except ApiError as error:
            problems.append(f"{title} is not well: {error}")
    return problems


def _asked(cluster: Cluster) -> Iterator[tuple[str, str, str]]:
    """Yield what each is called, its Service with a port of that name, and where it tells."""
    grafana, monitor = cluster.infrastructure.get(GRAFANA), cluster.workers.get(MONITOR)
    if grafana is not None and grafana.replicas:
        yield "Grafana", GRAFANA, "api/health"
    if monitor is not None and monitor.node_port is not None and monitor.replicas != 0:
        yield "The pipeline's page", PAGE, "healthz"
