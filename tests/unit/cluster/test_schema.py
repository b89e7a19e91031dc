"""The schema that editors use."""

from __future__ import annotations

import json

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from miner_cluster.cluster import CHECKOUT
from miner_cluster.schema import SCHEMA, schema_text


def test_the_schema_in_the_repository_is_that_of_the_model() -> None:
    assert SCHEMA.read_text() == schema_text(), "run python -m miner_cluster.schema"


@pytest.mark.parametrize(
    "file",
    [
        "inventory/lab/cluster_config.yaml",
        "inventory/production/cluster_config.yaml",
        "tests/fixtures/handoff_cluster_config.yaml",
    ],
)
def test_every_shipped_file_fits_the_schema(file: str) -> None:
    jsonschema.validate(yaml.safe_load((CHECKOUT / file).read_text()), json.loads(schema_text()))
