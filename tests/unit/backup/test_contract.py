"""Defaults and argument spec of the role say the same, and its modules take what their documentation says."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from miner_cluster.cluster import CHECKOUT
from tests.modules import documented_options, load_module


def read(path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHECKOUT / "roles/backup" / path).read_text("utf-8"))
    return loaded


def test_each_input_has_its_default_in_both_places() -> None:
    entries = read("meta/argument_specs.yml")["argument_specs"].values()
    options = {name: option for entry in entries for name, option in entry["options"].items()}
    documented = {name: option["default"] for name, option in options.items() if "default" in option}
    assert documented == read("defaults/main.yml")
    assert all(option.get("required") for name, option in options.items() if name not in documented)


@pytest.mark.parametrize(
    "name",
    ["backup_set", "backup_postgres", "backup_filer", "workers_paused", "confirmed", "support_archive"],
)
def test_a_module_takes_what_it_documents(name: str) -> None:
    module = load_module(name)
    assert {
        option: {k: v for k, v in spec.items() if k != "description"}
        for option, spec in documented_options(name).items()
    } == module.ARGUMENTS
