"""Every plugin and module of ours can be looked up with ansible-doc."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from miner_cluster.cluster import CHECKOUT


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("inventory", "cluster_config"),
        *(("lookup", path.stem) for path in sorted((CHECKOUT / "lookup_plugins").glob("*.py"))),
        *(("module", path.stem) for path in sorted((CHECKOUT / "library").glob("*.py"))),
        *(("filter", path.stem) for path in sorted((CHECKOUT / "filter_plugins").glob("*.yml"))),
    ],
)
def test_it_is_documented(kind: str, name: str) -> None:
    command = [str(Path(sys.executable).with_name("ansible-doc")), "-t", kind, name]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert name in done.stdout
