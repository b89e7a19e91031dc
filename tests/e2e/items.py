"""Which items of a project there are and where each stands: none can be lost behind another that is new."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.e2e.lab import Lab

#: what an item does not leave again by itself
ENDED = frozenset({"done", "skipped", "dead"})
_ITEMS = "SELECT coalesce(json_agg(json_build_array(project, id, state)), '[]') FROM item"


def read_items(lab: Lab, project: str) -> dict[int, str]:
    """The state of each item of a project by its ID, as the database has it."""
    printed = lab.kubectl(
        *("exec", "-n", "data-miner", "postgres-0", "-c", "postgres", "--"),
        *("psql", "--username=postgres", "--no-psqlrc", "-At", "-c", _ITEMS, "data_miner"),
    )
    return {item: state for of, item, state in json.loads(printed) if of == project}


def lost(before: Mapping[int, str], after: Mapping[int, str]) -> list[str]:
    """What must not happen to an item: it is not there any more, or was at its end and is not."""
    gone = [f"{item} ({state}) is gone" for item, state in before.items() if item not in after]
    undone = [
        f"{item} was {state} and is {after[item]}"
        for item, state in before.items()
        if state in ENDED and after.get(item, state) != state
    ]
    return gone + undone
