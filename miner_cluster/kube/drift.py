"""Where the cluster is not as it is rendered, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from miner_cluster.kube.api import Api, Object
from miner_cluster.kube.diff import compare
from miner_cluster.kube.prune import find_leftovers, title

#: of one object, so that a table stays a table
_SHOWN = 4
_LONGEST = 60


def drift(api: Api, wanted: Sequence[Object], phases: Sequence[str], namespaces: Sequence[str]) -> list[str]:
    """Return a sentence for each object that the next run of site.yml would bring back into shape.

    Args:
        api: the cluster.
        wanted: every object, as it is rendered.
        phases: whose objects these are.
        namespaces: in which they lie.

    Raises:
        KubeError: the API does not answer, or would refuse an object.
    """
    found = compare(api, wanted)
    sentences = [in_words(title(one.obj), one.before, one.after) for one in found.changes]
    gone = find_leftovers(api, wanted, phases, namespaces)
    return sentences + [f"{title(obj)} is not wanted any more" for obj in gone]


def in_words(name: str, before: Object | None, after: Object) -> str:
    """Say how an object differs from what it should be."""
    if before is None:
        return f"{name} is missing"
    changes = list(_changes(before, after, ()))
    more = f" and {len(changes) - _SHOWN} more" if len(changes) > _SHOWN else ""
    return f"{name}: {', '.join(changes[:_SHOWN])}{more}"


def _changes(before: Any, after: Any, path: tuple[str, ...]) -> Iterator[str]:
    before, after = _by_name(before), _by_name(after)
    if before == after:
        return
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for name in sorted({*before, *after}):
            yield from _changes(before.get(name), after.get(name), (*path, name))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from _changes(one, other, (*path, str(number)))
    elif isinstance(before, str) and isinstance(after, str) and "\n" in before + after:
        yield f"{'.'.join(path)} differs"
    else:
        yield f"{'.'.join(path)} is {_short(before)}, not {_short(after)}"


def _by_name(items: Any) -> Any:
    """Return a list of things with names, such as variables, as a mapping; anything else as it is."""
    if not isinstance(items, list) or not all(isinstance(item, Mapping) and "name" in item for item in items):
        return items
    return {item["name"]: item for item in items}


def _short(value: Any) -> str:
    if value is None:
        return "unset"
    text = " ".join(str(value).split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
