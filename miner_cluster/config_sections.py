"""The parts of cluster_config.yaml that have the right shape, also where other parts have not.

So a mistake in one place leaves the meaning of all others to be checked.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from miner_cluster.config_checks import Sections
from miner_cluster.config_model import (
    ClusterFile,
    ClusterSection,
    Image,
    Infrastructure,
    LabSection,
    Node,
    Nvidia,
    ResourcePreset,
    Seaweedfs,
    Storage,
    Worker,
)

Model = TypeVar("Model", bound=BaseModel)


def sections(data: Mapping[str, Any]) -> Sections:
    """Validate each section and each entry by itself."""
    cluster = data.get("cluster")
    nodes = cluster.get("nodes") if isinstance(cluster, Mapping) else None
    presets = data.get("resource_presets", _default_presets())
    workers, services = data.get("workers"), data.get("infrastructure")
    return Sections(
        cluster=_valid(ClusterSection, cluster),
        lab=_valid(LabSection, data.get("lab")),
        storage=_valid(Storage, data.get("storage", {})),
        image=_valid(Image, data.get("image", {})),
        seaweedfs=_valid(Seaweedfs, data.get("seaweedfs", {})),
        nvidia=_valid(Nvidia, data.get("nvidia", {})),
        nodes=_valid_entries(Node, nodes),
        resource_presets=_valid_entries(ResourcePreset, presets),
        workers=_valid_entries(Worker, workers),
        infrastructure=_valid_entries(Infrastructure, services),
        names={
            "nodes": _names(nodes),
            "resource_presets": _names(presets),
            "workers": _names(workers),
            "infrastructure": _names(services),
        },
    )


def _default_presets() -> dict[str, Any]:
    presets = ClusterFile.model_fields["resource_presets"].get_default(call_default_factory=True)
    return {name: preset.model_dump() for name, preset in presets.items()}


def _names(entries: Any) -> tuple[str, ...]:
    return tuple(entries) if isinstance(entries, Mapping) else ()


def _valid_entries(model: type[Model], entries: Any) -> dict[str, Model]:
    found = entries.items() if isinstance(entries, Mapping) else ()
    return {name: valid for name, value in found if (valid := _valid(model, value)) is not None}


def _valid(model: type[Model], value: Any) -> Model | None:
    """Return a value in its shape; None when it has another one. Keys that nobody knows are left out."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        problems = error.errors()
    if any(problem["type"] != "extra_forbidden" for problem in problems):
        return None
    known = copy.deepcopy(value)
    for problem in problems:
        place = known
        for part in problem["loc"][:-1]:
            place = place[part]
        del place[problem["loc"][-1]]
    return model.model_validate(known)
