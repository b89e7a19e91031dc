"""Which nodes a pod may come to, as far as its selectors, the nodes' taints and whether they are open say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from miner_cluster.kube.api import Object
from miner_cluster.kube.rollout import ready

_KEEPS_AWAY = {"NoSchedule", "NoExecute"}


def waits_for(pod: Object, name: str, nodes: Iterable[Object]) -> bool:
    """Return whether a pod may come to one node, and to no other that is Ready and open."""
    admitting = [node for node in nodes if _selects(pod, node)]
    others = [node for node in admitting if node["metadata"]["name"] != name]
    return len(others) < len(admitting) and not any(_takes(node, pod) for node in others)


def _takes(node: Object, pod: Object) -> bool:
    spec = node.get("spec", {})
    if spec.get("unschedulable") or not ready(node):
        return False
    tolerations = pod["spec"].get("tolerations") or []
    return all(
        taint.get("effect") not in _KEEPS_AWAY or any(_tolerates(one, taint) for one in tolerations)
        for taint in spec.get("taints") or []
    )


def _tolerates(toleration: Mapping[str, Any], taint: Mapping[str, Any]) -> bool:
    if toleration.get("effect") not in {None, "", taint["effect"]}:
        return False
    exists = toleration.get("operator") == "Exists"
    if exists and not toleration.get("key"):
        return True
    same_value = exists or toleration.get("value", "") == taint.get("value", "")
    return toleration.get("key") == taint["key"] and same_value


def _selects(pod: Object, node: Object) -> bool:
    labels = node["metadata"].get("labels") or {}
    selector: Mapping[str, str] = pod["spec"].get("nodeSelector") or {}
    if not selector.items() <= labels.items():
        return False
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if required is None:
        return True
    return any(
        all(_matches(one, labels) for one in term.get("matchExpressions") or [])
        for term in required["nodeSelectorTerms"]
    )


def _matches(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether labels match; operators that compare numbers do, as nobody here knows better."""
    found = labels.get(expression["key"])
    operator, values = expression["operator"], expression.get("values") or []
    if operator in {"In", "NotIn"}:
        return (found in values) is (operator == "In")
    if operator in {"Exists", "DoesNotExist"}:
        return (found is not None) is (operator == "Exists")
    return True
