"""Tasks give our own modules what these document: where a module's options change, all callers change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from miner_cluster.cluster import CHECKOUT
from tests.modules import documented_options

PLACES = ("*.yml", "playbooks/*.yml", "roles/*/tasks/*.yml", "molecule/*/*.yml", "benchmarks/*.yml")
FILES = sorted(path for place in PLACES for path in CHECKOUT.glob(place))


class Call(NamedTuple):
    """A task that calls a module of ours."""

    task: str
    module: str
    given: set[str]


OPTIONS = {path.stem: documented_options(path.stem) for path in sorted((CHECKOUT / "library").glob("*.py"))}


def calls(node: Any, defaults: dict[str, Any]) -> Iterator[Call]:
    """Every call in a file, by plays and blocks; a play's module_defaults count as given."""
    if isinstance(node, list):
        for one in node:
            yield from calls(one, defaults)
    elif isinstance(node, dict):
        defaults = defaults | (node.get("module_defaults") or {})
        for module in node.keys() & OPTIONS.keys():
            if isinstance(node[module], dict):
                yield Call(node.get("name", "?"), module, {*node[module], *defaults.get(module, {})})
        for part in ("tasks", "pre_tasks", "post_tasks", "block", "rescue", "always"):
            yield from calls(node.get(part), defaults)


def test_there_are_calls_to_look_at() -> None:
    assert sum(1 for path in FILES for _ in calls(yaml.safe_load(path.read_text("utf-8")), {})) > 50


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_each_task_gives_what_its_module_asks_for(path: Path) -> None:
    wrong = [
        f"{call.task}: {call.module} " + "; ".join(reasons)
        for call in calls(yaml.safe_load(path.read_text("utf-8")), {})
        if (reasons := list(_reasons(call)))
    ]
    assert wrong == []


def _reasons(call: Call) -> Iterator[str]:
    known = OPTIONS[call.module]
    aliases = {alias for option in known.values() for alias in option.get("aliases", ())}
    if unknown := call.given - known.keys() - aliases:
        yield f"has no {', '.join(sorted(unknown))}"
    needed = {name for name, option in known.items() if option.get("required")}
    if missing := needed - call.given:
        yield f"needs {', '.join(sorted(missing))}"
