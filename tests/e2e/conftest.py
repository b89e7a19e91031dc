"""One lab for the whole session: tests run in file order, from deployment to teardown."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.lab import ROOT, Busy, Lab, Run, deployed_lab

#: frames that are there already are not cut again, so each project has its own rate
_FPS = itertools.count(25)


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
    """A project like the demo with every frame, a minute of work, and what chooses it; then the demo again."""
    fps = next(_FPS)
    project = f"busy-{fps}"
    text = (ROOT / "run_configs/demo.yaml").read_text("utf-8")
    file = tmp_path / "busy.yaml"
    more = text.replace("fps: 2", f"fps: {fps}").replace("max_frames: 200", "max_frames: 5000")
    file.write_text(more.replace("project: demo", f"project: {project}"))
    chosen = ("-e", f"run_config={file}")
    lab.play("site.yml", "--tags", "app", *chosen).ok()
    yield project, chosen
    lab.play("site.yml", "--tags", "app").ok()
