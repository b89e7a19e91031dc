"""The JSON Schemas that editors use: `python -m miner_cluster.schema` writes them anew.

They are made from the models and are never stricter than these: what a ``${…}`` stands for is known only when
the file is read, and null removes a key of the application's configuration.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from data_miner.config import OVERRIDES, AppConfig
from miner_cluster.cluster import CHECKOUT
from miner_cluster.config_model import ClusterFile

DIRECTORY = CHECKOUT / "schemas"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = {"type": "string", "pattern": r"\$\{[^{}]*\}"}
_NULL = {"type": "null"}

Schema = dict[str, Any]


def cluster_schema() -> Schema:
    """Return the schema of cluster_config.yaml."""
    schema = ClusterFile.model_json_schema()
    overrides = _partial(AppConfig.model_json_schema())
    clashes = schema["$defs"].keys() & overrides["$defs"].keys()
    assert not clashes, f"name these models differently: {clashes}"  # noqa: S101 - of our own making
    schema["$defs"] |= overrides.pop("$defs")
    description = schema["properties"][OVERRIDES]["description"]
    schema["$defs"]["Overrides"] = overrides | {"description": description}
    schema["properties"][OVERRIDES] = {"$ref": "#/$defs/Overrides"}
    _each_property(schema, _or_reference)
    return {"$schema": _DIALECT, **schema}


def run_config_schema() -> Schema:
    """Return the schema of a run config, which is laid over the defaults and need not be complete."""
    schema = _partial(AppConfig.model_json_schema())
    schema["required"] = ["project"]
    return {"$schema": _DIALECT, **schema, "title": "Run config"}


def texts() -> dict[str, str]:
    """Return the text of each schema's file by its name."""
    schemas = {"cluster_config": cluster_schema(), "run_config": run_config_schema()}
    return {
        f"{name}.schema.json": json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        for name, schema in schemas.items()
    }


def _partial(schema: Schema) -> Schema:
    """Return a schema in which nothing is required and null is allowed."""
    for part in (schema, *schema["$defs"].values()):
        part.pop("required", None)
    _each_property(schema, lambda part: _or(part, _NULL))
    return schema


def _each_property(schema: Schema, change: Callable[[Schema], Schema]) -> None:
    for part in (schema, *schema["$defs"].values()):
        for name, value in part.get("properties", {}).items():
            part["properties"][name] = change(value)


def _or_reference(part: Schema) -> Schema:
    """Allow a reference where the schema would refuse the text of one."""
    plain_text = part.get("type") == "string" and not {"pattern", "enum", "const"} & part.keys()
    return part if plain_text or "$ref" in part else _or(part, _REFERENCE)


def _or(part: Schema, other: Schema) -> Schema:
    """Return a schema for either, described as the first one."""
    kept = {key: part[key] for key in ("description", "title", "default") if key in part}
    rest = {key: value for key, value in part.items() if key not in kept}
    options = rest["anyOf"] if set(rest) == {"anyOf"} else [rest]
    known = any(option.get("type") == other["type"] and "pattern" not in other for option in options)
    return kept | {"anyOf": options if known else [*options, other]}


if __name__ == "__main__":
    DIRECTORY.mkdir(exist_ok=True)
    for file_name, text in texts().items():
        (DIRECTORY / file_name).write_text(text, "utf-8")
