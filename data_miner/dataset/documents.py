"""What people read of a dataset: the contact sheet and the card."""

from __future__ import annotations

import base64
import io
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import jinja2

from data_miner import __version__
from data_miner.config import Stage, dump, to_plain
from data_miner.dataset.gather import Dataset, DatasetFrame
from data_miner.frames import read_frame

#: pictures on a contact sheet, evenly from the whole dataset; each is about 8 kB
MOST_ON_SHEET = 600
_THUMBNAIL_SIDE = 256
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture on the contact sheet."""

    frame: DatasetFrame
    #: a data: URL
    picture: str


def contact_sheet(dataset: Dataset) -> str:
    """Return a page that needs no other file: thumbnails with boxes, and where they come from."""
    count = len(dataset.frames)
    step = max(1.0, count / MOST_ON_SHEET)
    chosen = [dataset.frames[int(number * step)] for number in range(min(count, MOST_ON_SHEET))]
    shown = [Shown(frame=frame, picture=_thumbnail(frame)) for frame in chosen]
    return _environment().get_template("contact_sheet.html.j2").render(dataset=dataset, shown=shown)


def card(dataset: Dataset) -> str:
    """Return the dataset card: what is in it, where it comes from, and how it was chosen."""
    licences = Counter(frame.said("license") or "not stated by the site" for frame in dataset.frames)
    sources = {frame.video: frame for frame in reversed(dataset.frames)}
    per_video = Counter(frame.video for frame in dataset.frames)
    objects = Counter(found.label for frame in dataset.frames for found in frame.objects)
    values: dict[str, Any] = {
        "dataset": dataset,
        "program": __version__,
        "size": next((name for limit, name in _SIZES if len(dataset.frames) < limit), "n>1M"),
        "licences": sorted(licences.items()),
        "sources": [(sources[video], per_video[video]) for video in sorted(sources)],
        "objects": [(label, objects[label]) for label in dataset.labels],
        "stages": set(dataset.config.stages),
        "Stage": Stage,
    }
    return _environment().get_template("card.md.j2").render(values)


def config_text(dataset: Dataset) -> str:
    """Return the whole configuration, defaults included, as YAML."""
    return dump(to_plain(dataset.config))


def _thumbnail(frame: DatasetFrame) -> str:
    image = read_frame(frame.source, side=_THUMBNAIL_SIDE)
    image.thumbnail((_THUMBNAIL_SIDE, _THUMBNAIL_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=70)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


@cache
def _environment() -> jinja2.Environment:
    folder = resources.files("data_miner.dataset").joinpath("templates")

    def load(name: str) -> str:
        return folder.joinpath(name).read_text("utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=jinja2.select_autoescape(enabled_extensions=("html.j2",)),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["cell"] = _cell
    return environment


def _cell(text: str) -> str:
    """Return text for a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
