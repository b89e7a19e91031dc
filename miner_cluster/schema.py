"""The JSON Schema of cluster_config.yaml, for editors: `python -m miner_cluster.schema` writes it anew."""

from __future__ import annotations

import json

from miner_cluster.cluster import CHECKOUT
from miner_cluster.config_model import ClusterFile

SCHEMA = CHECKOUT / "schemas" / "cluster_config.schema.json"


def schema_text() -> str:
    """Return the text of the schema's file."""
    schema = ClusterFile.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    SCHEMA.parent.mkdir(exist_ok=True)
    SCHEMA.write_text(schema_text(), "utf-8")
