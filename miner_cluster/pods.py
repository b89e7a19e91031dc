"""Pieces of pod templates: labels, environment, placement, resources. Pure functions, used as filters too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from miner_cluster.cluster import GPU_LABEL, ROLE_LABEL, STORAGE_ONLY_LABEL
from miner_cluster.quantities import Resources, memory_bytes, resources, split_range

NAME_LABEL = "app.kubernetes.io/name"
COMPONENT_LABEL = "app.kubernetes.io/component"

#: a text, or where the value comes from: {field: …}, {config_map: …, key: …} or {secret: …, key: …}
EnvValue = str | Mapping[str, Any]

_SOURCES = {"config_map": "configMapKeyRef", "secret": "secretKeyRef"}
#: Go's garbage collector works harder from here on, so that the limit is not reached
_GO_SHARE = 9, 10


def labels(*, name: str, instance: str, component: str, phase: str) -> dict[str, str]:
    """Return the labels of an object of ours; pruning goes by them."""
    return {
        **selector(name=name, instance=instance),
        COMPONENT_LABEL: component,
        "app.kubernetes.io/part-of": "data-miner",
        "app.kubernetes.io/managed-by": "ansible",
        "data-miner/phase": phase,
    }


def selector(*, name: str, instance: str) -> dict[str, str]:
    """Return what tells pods apart; it can't be changed later, so it is as short as it can be."""
    return {NAME_LABEL: name, "app.kubernetes.io/instance": instance}


def env(values: Mapping[str, EnvValue]) -> list[dict[str, Any]]:
    """Return the ``env`` of a container.

    Args:
        values: of each variable its text, or ``{field: spec.nodeName}``, ``{config_map: NAME, key: KEY}`` or
            ``{secret: NAME, key: KEY}``, the latter two optionally with ``optional: true``.

    Raises:
        ValueError: a value is none of these.
    """
    return [{"name": name, **_env_value(name, value)} for name, value in values.items()]


def preset_resources(preset: Mapping[str, str]) -> Resources:
    """Return the ``resources`` of a container from a preset.

    Args:
        preset: ``{cpu: 250m-1000m, memory: 512Mi-2Gi, ephemeral_storage: 64Mi-2Gi}``.

    Raises:
        ValueError: a range is not one.
    """
    return resources(preset["cpu"], preset["memory"], preset["ephemeral_storage"])


def go_memory_limit(preset: Mapping[str, str]) -> str:
    """Return GOMEMLIMIT for a container with this preset: nine tenths of its memory limit."""
    _, limit = split_range(preset["memory"], memory_bytes)
    share, whole = _GO_SHARE
    return f"{memory_bytes(limit) * share // whole // 2**20}MiB"


def node_affinity(schedule_on: Literal["all", "master", "gpu"]) -> dict[str, Any]:
    """Return the ``affinity`` that keeps a worker on the nodes it may run on; never on storage_only ones."""
    wanted: list[dict[str, Any]] = [{"key": STORAGE_ONLY_LABEL, "operator": "DoesNotExist"}]
    if schedule_on == "master":
        wanted.append({"key": ROLE_LABEL, "operator": "In", "values": ["server"]})
    if schedule_on == "gpu":
        wanted.append({"key": GPU_LABEL, "operator": "In", "values": ["true"]})
    required = {"nodeSelectorTerms": [{"matchExpressions": wanted}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}


def _env_value(name: str, value: EnvValue) -> dict[str, Any]:
    if isinstance(value, str):
        return {"value": value}
    if set(value) == {"field"}:
        # With the version, as the API server has it: so it need not be asked whether that is the same.
        return {"valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": value["field"]}}}
    for kind, reference in _SOURCES.items():
        if {kind, "key"} <= set(value) <= {kind, "key", "optional"}:
            optional = {"optional": True} if value.get("optional") else {}
            return {"valueFrom": {reference: {"name": value[kind], "key": value["key"], **optional}}}
    raise ValueError(f"{name}: give a text, a field, or config_map or secret with a key; found {dict(value)}")
