"""Turning values into pages."""

from __future__ import annotations

import math
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any
from urllib.parse import quote

import jinja2

from data_miner.readable import duration, size


@cache
def _environment() -> jinja2.Environment:
    folder = resources.files("data_miner.page").joinpath("templates")

    def load(name: str) -> str:
        return folder.joinpath(name).read_text("utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        {
            "duration": duration,
            "size": size,
            "path": _path,
            "moment": _moment,
            "link": _link,
            "height": _height,
        }
    )
    return environment


def render(template: str, values: dict[str, Any]) -> str:
    """Return a page."""
    return _environment().get_template(f"{template}.html.j2").render(values)


@cache
def asset(name: str) -> bytes:
    """Return a file that pages refer to."""
    return resources.files("data_miner.page").joinpath("static", name).read_bytes()


def _path(text: str) -> str:
    return quote(text, safe="")


def _moment(value: datetime | None) -> str:
    return value.strftime("%Y-%m-%d %H:%M:%S UTC") if value else ""


def _link(url: str) -> str:
    """Return an address that may stand in a link; only those of web pages do."""
    return url if url.startswith(("http://", "https://")) else "#"


def _height(count: int, most: int) -> float:
    """Return the height of a bar, 0 to 100, by the logarithm: scores crowd at one end."""
    return round(100 * math.log1p(count) / math.log1p(most), 2) if most else 0.0
