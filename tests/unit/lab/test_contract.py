"""The role, its specification and the module say the same."""

from __future__ import annotations

from typing import Any

import yaml

from miner_cluster.cluster import CHECKOUT

ROLE = CHECKOUT / "roles" / "lab"


def load(name: str) -> Any:
    return yaml.safe_load((ROLE / name).read_text("utf-8"))


def test_the_specification_names_the_defaults() -> None:
    options = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    stated = {name: option["default"] for name, option in options.items() if "default" in option}
    assert stated == load("defaults/main.yml")
    assert all(option.get("required") for name, option in options.items() if name not in stated)


def test_every_input_reaches_the_module() -> None:
    options = load("meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    task = (ROLE / "tasks" / "machines.yml").read_text("utf-8")
    assert [name for name in options if name not in task] == []
