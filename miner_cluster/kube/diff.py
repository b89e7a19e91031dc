"""What applying objects would change, asked of the API server itself by a dry run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import yaml

from miner_cluster.kube.api import Api, ApiError, KubeError, Object
from miner_cluster.kube.applied import is_applied
from miner_cluster.kube.apply import apply_one
from miner_cluster.kube.by_hand import replace, without_additions
from miner_cluster.kube.many import get, look_up
from miner_cluster.kube.namespaces import refuse_foreign, refuse_second
from miner_cluster.kube.prune import key, ours, title
from miner_cluster.kube.rollout import failed

#: kinds that have a number of pods
SCALED = {"Deployment", "StatefulSet"}
#: set by the server, different after every write
_UNSTABLE = ("managedFields", "resourceVersion", "generation", "creationTimestamp", "uid")


@dataclass(frozen=True, kw_only=True)
class Change:
    """One object that would be another: settled, before None where it is not there."""

    obj: Object
    before: Object | None
    after: Object


@dataclass(kw_only=True)
class Difference:
    """What applying would do."""

    #: objects that are new or would change, as they were given
    objects: list[Object] = field(default_factory=list)
    #: objects that must be gone before they can be applied: they are being deleted, or are Jobs that gave up
    terminating: list[Object] = field(default_factory=list)
    #: objects with fields that were added by hand, which applying would leave
    additions: list[Object] = field(default_factory=list)
    #: what becomes of each of these
    changes: list[Change] = field(default_factory=list)

    @property
    def shown(self) -> list[dict[str, str]]:
        """What Ansible shows with --diff."""
        return [shown(change) for change in self.changes]


def compare(api: Api, wanted: Sequence[Object]) -> Difference:
    """Ask the server what applying each object would change.

    Raises:
        KubeError: the API does not answer, or would refuse an object.
    """
    found = Difference()
    namespaces = {obj["metadata"]["name"] for obj in wanted if obj["kind"] == "Namespace"}
    present = look_up(api, wanted)
    for obj in wanted:
        path = api.resource(obj["apiVersion"], obj["kind"]).path(
            obj["metadata"].get("namespace"), obj["metadata"]["name"]
        )
        before = present.get(key(obj))
        if obj["kind"] == "Namespace":
            if before is not None:
                refuse_foreign(before)
            refuse_second(api, obj)
        if before is not None and (before["metadata"].get("deletionTimestamp") or _gave_up(before)):
            found.terminating.append(obj)
            before = None
        if before is None:
            found.objects.append(obj)
            found.changes.append(Change(obj=obj, before=None, after=obj))
        else:
            _compare_present(api, path, obj, before, found)
        if before is None and obj["kind"] != "Namespace":
            _refuse_lost(api, obj, namespaces)
    return found


def _compare_present(api: Api, path: str, given: Object, before: Object, found: Difference) -> None:
    obj = replicas_kept(given, before)
    if (is_applied(obj, before) or is_applied(given, before)) and without_additions(before, obj) is None:
        return
    applied = _dry_run(api, obj)
    if differs := settled(before) != settled(applied):
        found.objects.append(obj)
    after, cleaned = applied, without_additions(applied, obj)
    if cleaned is not None:
        # What the server sets by default comes back, so only its answer says whether something would go.
        # Of this moment: a status that was written since the first look is no conflict.
        cleaned["metadata"]["resourceVersion"] = api.call("GET", path)["metadata"]["resourceVersion"]
        after = replace(api, path, cleaned, dryRun="All")
        if settled(after) != settled(applied):
            found.additions.append(given)
            differs = True
    if differs:
        found.changes.append(Change(obj=obj, before=settled(before), after=settled(after)))


def replicas_kept(obj: Object, before: Object) -> Object:
    """Return a workload that leaves its number of pods to others with the number that it has.

    A number that we set earlier and name no more would fall back to the server's default.
    """
    has = before.get("spec", {}).get("replicas")
    if obj["kind"] not in SCALED or has is None or "replicas" in obj["spec"]:
        return obj
    return {**obj, "spec": {"replicas": has, **obj["spec"]}}


def _gave_up(present: Object) -> bool:
    """Return whether an object is a Job of ours that failed, which never runs again by itself."""
    return failed(present) is not None and ours(present)


def settled(obj: Object) -> Object:
    """Return an object without what every write changes, and without its status."""
    meta = {name: value for name, value in obj["metadata"].items() if name not in _UNSTABLE}
    return {name: value for name, value in obj.items() if name != "status"} | {"metadata": meta}


def shown(change: Change) -> dict[str, str]:
    """Return one object's difference for --diff; the values of a Secret never show."""
    name = title(change.obj)
    texts = ["" if side is None else _text(side) for side in (change.before, change.after)]
    return {"before_header": name, "after_header": name, "before": texts[0], "after": texts[1]}


def _text(obj: Object) -> str:
    plain: dict[str, Any] = dict(obj)
    if obj["kind"] == "Secret":
        for part in ("data", "stringData"):
            plain |= {part: dict.fromkeys(obj[part], "(hidden)")} if part in obj else {}
    return yaml.dump(plain, Dumper=yaml.CSafeDumper, sort_keys=True, allow_unicode=True, width=110)


def _dry_run(api: Api, obj: Object) -> Object:
    try:
        return apply_one(api, obj, dryRun="All")
    except ApiError as error:
        if error.status == HTTPStatus.UNPROCESSABLE_ENTITY and "immutable" in str(error).lower():
            namespace = obj["metadata"].get("namespace")
            where = f" -n {namespace}" if namespace else ""
            raise KubeError(
                f"{title(obj)} can't be changed in place ({error}); remove it (its data stays on the node's "
                f"disk) and run this again: kubectl{where} delete {obj['kind']} {obj['metadata']['name']}"
            ) from error
        raise KubeError(f"{title(obj)} is refused: {error}") from error


def _refuse_lost(api: Api, obj: Object, coming: set[str]) -> None:
    """Check that an object's namespace is there or is applied with it, and remember it."""
    namespace = obj["metadata"].get("namespace")
    if namespace is None or namespace in coming:
        return
    if get(api, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}) is None:
        raise KubeError(
            f"There is no namespace {namespace} for {title(obj)} yet; run: ansible-playbook site.yml"
        )
    coming.add(namespace)
