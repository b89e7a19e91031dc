"""One lab for the whole session: tests run in file order, from deployment to teardown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import ROOT, Busy, Lab, Run, deployed_lab

#: frames that are there already are not cut again, so each project has its own rate
_FPS = itertools.count(8)


@pytest.fixture(scope="session")
def deployed() -> Iterator[tuple[Lab, Run]]:
    """The lab and the `make site` run that made it."""
    with deployed_lab() as lab_and_run:
        yield lab_and_run


@pytest.fixture
def lab(deployed: tuple[Lab, Run]) -> Lab:
    """The deployed lab."""
    return deployed[0]


@pytest.fixture
def busy(lab: Lab, tmp_path: Path) -> Iterator[Busy]:
    """A project like the demo with more frames, whose searches take their time, and what chooses it."""
    fps = next(_FPS)
    project = f"busy-{fps}"
    text = (ROOT / "run_configs/demo.yaml").read_text("utf-8")
    slow = "download:\n  extractor_args: {labsearch: {pause_s: ['25']}}\n"
    file = tmp_path / "busy.yaml"
    more = text.replace("project: demo", f"project: {project}").replace("fps: 2", f"fps: {fps}")
    file.write_text(more.replace("download:\n", slow))
    chosen = ("-e", f"run_config={file}")
    lab.play("site.yml", "--tags", "app", *chosen).ok()
    yield project, chosen
    lab.play("site.yml", "--tags", "app").ok()
