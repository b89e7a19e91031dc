"""Defaults and argument specs of roles say the same."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from miner_cluster.cluster import CHECKOUT


def read(role: str, path: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CHECKOUT / "roles" / role / path).read_text("utf-8"))
    return loaded


@pytest.mark.parametrize("role", ["app", "kube_objects", "nvidia"])
def test_each_input_has_its_default_in_both_places(role: str) -> None:
    options = read(role, "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    documented = {name: option["default"] for name, option in options.items() if "default" in option}
    assert documented == read(role, "defaults/main.yml")
    assert all(option.get("required") for name, option in options.items() if name not in documented)
