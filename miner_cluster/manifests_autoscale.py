"""What makes KEDA set the number of a worker's pods: one ScaledObject each, and one login for all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from miner_cluster.cluster import Cluster
from miner_cluster.manifest_item import (
    DATABASE,
    DATABASE_SECRET,
    DATABASE_USER,
    Item,
    app_common,
    service_host,
)

#: where KEDA runs, as it installs itself
KEDA_NAMESPACE = "keda"
_LOGIN = "queue"


def autoscale_items(cluster: Cluster) -> Iterator[Item]:
    """Return nothing where no worker asks for it."""
    scaled = {stage: worker for stage, worker in cluster.workers.items() if worker.autoscale}
    if not scaled:
        return
    name, key = DATABASE_SECRET
    yield _item(cluster, _LOGIN, "triggerauthentication", "workers", {"secret": name, "key": key})
    for stage, worker in scaled.items():
        inputs = {
            "kind": worker.kind,
            "autoscale": worker.autoscale.model_dump() if worker.autoscale else {},
            "host": service_host(cluster, "postgres"),
            "port": cluster.infrastructure["postgres"].port,
            "database": DATABASE,
            "user": DATABASE_USER,
            "stage": stage,
            "authentication": _LOGIN,
        }
        yield _item(cluster, f"{stage}-worker", "scaledobject", f"workers.{stage}.autoscale", inputs)


def _item(cluster: Cluster, name: str, kind: str, key: str, inputs: dict[str, Any]) -> Item:
    return Item(
        phase="workers",
        template=f"workers/{kind}.yaml.j2",
        path=f"workers/{name.removesuffix('-worker')}-{kind}.yaml",
        vars=app_common(cluster, "workers", name, "worker") | inputs,
        key=key,
    )
