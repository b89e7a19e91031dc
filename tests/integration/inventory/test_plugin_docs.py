"""Every plugin and module of ours can be looked up with ansible-doc."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.cluster import CHECKOUT

NAMES = {
    "inventory": ["cluster_config"],
    "lookup": [path.stem for path in sorted((CHECKOUT / "lookup_plugins").glob("*.py"))],
    "module": [path.stem for path in sorted((CHECKOUT / "library").glob("*.py"))],
    "filter": [path.stem for path in sorted((CHECKOUT / "filter_plugins").glob("*.yml"))],
}


@cache
def documented(kind: str) -> dict[str, Any]:
    """What ansible-doc knows of all of a kind: loading Ansible takes longer than looking one up."""
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-doc")), "-t", kind, "--json", *NAMES[kind]],
        cwd=CHECKOUT,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in NAMES.items() for name in names])
def test_it_is_documented(kind: str, name: str) -> None:
    assert documented(kind)[name]["doc"]["short_description"]


@pytest.mark.parametrize(
    "path", sorted((CHECKOUT / "action_plugins").glob("*.py")), ids=lambda path: path.stem
)
def test_an_action_plugin_names_its_own_module(path: Path) -> None:
    first = path.read_text().partition("\n")[0]
    assert path.stem in first
    assert "library/" not in first or f"library/{path.name}" in first
