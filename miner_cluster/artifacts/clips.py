"""The video clips of the lab's site, with an index that says what they show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from miner_cluster.artifacts.recipe import Recipe, Workshop
from miner_cluster.artifacts.wheels import unpack, wheels

INDEX = "index.json"


class Clip(BaseModel):
    """One clip, as lab/clips.yaml describes it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9-]+$")]
    #: within the package
    path: str
    title: str
    #: with hashtags
    description: str
    tags: tuple[str, ...]
    uploader: str
    upload_date: Annotated[str, Field(pattern=r"^\d{8}$")]
    #: in seconds
    duration: float
    license: str
    origin: str

    @property
    def file(self) -> str:
        """Its name in the artifact."""
        return f"{self.id}{Path(self.path).suffix}"


def read_clips(file: Path) -> list[Clip]:
    """Return the clips that lab/clips.yaml describes."""
    return TypeAdapter(list[Clip]).validate_python(yaml.safe_load(file.read_text("utf-8")))


def recipe(lab: Path) -> Recipe:
    """Return the recipe of the directory, from the directory lab/ of the repository."""
    clips = read_clips(lab / "clips.yaml")
    packages = wheels("clips-wheels", lab / "clips-requirements.lock", estimate="about half a minute")

    def build(shop: Workshop) -> dict[str, Any]:
        unpack(shop.need(packages), {clip.path: shop.output / clip.file for clip in clips})
        index = [clip.model_dump(exclude={"path"}) | {"file": clip.file} for clip in clips]
        (shop.output / INDEX).write_text(json.dumps(index, indent=2) + "\n", "utf-8")
        return {"clips": len(clips)}

    return Recipe(
        name="clips",
        version="1",
        source=packages.source,
        inputs={"clips": [clip.model_dump(mode="json") for clip in clips], "packages": packages.key},
        estimate="a few seconds",
        build=build,
    )
