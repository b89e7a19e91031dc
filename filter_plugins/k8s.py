"""Filters for manifests; each is a pure function of the package."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from ansible.errors import AnsibleFilterError

from miner_cluster import pods
from miner_cluster.rendering import to_files


def _filter(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @wraps(function)
    def wrapped(value: Any) -> Any:
        try:
            return function(value)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            received = f"received {type(value).__name__}: {value!r}"
            raise AnsibleFilterError(f"{function.__name__}: {error}; {received}") from error

    return wrapped


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[[Any], Any]]:
        """Return the filters by name."""
        return {
            "k8s_env": _filter(pods.env),
            "k8s_go_memory_limit": _filter(pods.go_memory_limit),
            "k8s_node_affinity": _filter(pods.node_affinity),
            "k8s_resources": _filter(pods.preset_resources),
            "manifest_files": _filter(to_files),
        }
