"""The named queries of ``sql/*.sql``: each starts with ``-- name: NAME`` and ends with a semicolon."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources
from typing import LiteralString

_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def parse_queries(text: str) -> dict[str, str]:
    """Split a file of named queries.

    Raises:
        ValueError: a name is used twice.
    """
    parts = _NAME.split(text)[1:]
    names = parts[::2]
    if len(set(names)) != len(names):
        raise ValueError(f"a query name is used twice: {sorted(names)}")
    return {name: body.strip() for name, body in zip(names, parts[1::2], strict=True)}


@cache
def queries(file: str) -> dict[str, LiteralString]:
    """Return the queries of ``sql/<file>.sql``, which are part of the program."""
    text = resources.files("data_miner.db").joinpath("sql", f"{file}.sql").read_text("utf-8")
    return parse_queries(text)
