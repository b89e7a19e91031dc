"""The schemas that editors use."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from miner_cluster import schema
from miner_cluster.cluster import CHECKOUT
from tests.unit.cluster.conftest import GOOD

CLUSTER_FILES = [
    *CHECKOUT.glob("inventory/*/cluster_config.yaml"),
    CHECKOUT / "tests" / "fixtures" / "handoff_cluster_config.yaml",
]
RUN_CONFIGS = [*CHECKOUT.glob("run_configs/*.yaml")]


@pytest.mark.parametrize(("name", "text"), schema.texts().items())
def test_the_schema_in_the_repository_is_that_of_the_model(name: str, text: str) -> None:
    assert (schema.DIRECTORY / name).read_text() == text, "run python -m miner_cluster.schema"
    jsonschema.Draft202012Validator.check_schema(json.loads(text))


def fits(data: Any, wanted: dict[str, Any]) -> bool:
    return bool(jsonschema.Draft202012Validator(wanted).is_valid(data))


@pytest.mark.parametrize("file", CLUSTER_FILES, ids=lambda file: file.parent.name)
def test_every_shipped_cluster_file_fits_the_schema(file: Path) -> None:
    jsonschema.validate(yaml.safe_load(file.read_text()), schema.cluster_schema())


@pytest.mark.parametrize("file", RUN_CONFIGS, ids=lambda file: file.stem)
def test_every_shipped_run_config_fits_the_schema(file: Path) -> None:
    jsonschema.validate(yaml.safe_load(file.read_text()), schema.run_config_schema())


@pytest.mark.parametrize("file", [*CLUSTER_FILES[:-1], *RUN_CONFIGS], ids=str)
def test_every_shipped_file_names_its_schema(file: Path) -> None:
    line = next(line for line in file.read_text().splitlines() if "yaml-language-server" in line)
    kind = "cluster_config" if file.name == "cluster_config.yaml" else "run_config"
    assert (file.parent / line.partition("$schema=")[2]).resolve() == schema.DIRECTORY / f"{kind}.schema.json"


def test_references_may_stand_for_any_value() -> None:
    text = GOOD.replace("replicas: 3", "replicas: '${workers.extract.replicas}'")
    assert fits(yaml.safe_load(text), schema.cluster_schema())


def test_editors_mark_what_the_application_does_not_know() -> None:
    wrong = yaml.safe_load(GOOD.replace("device: auto", "devise: auto"))
    assert not fits(wrong, schema.cluster_schema())
    assert not fits({"project": "p", "srch": {}}, schema.run_config_schema())
    assert not fits({"search": {}}, schema.run_config_schema())
    assert fits({"project": "p", "download": {"max_size_mib": None}}, schema.run_config_schema())
