"""Configuration: read with places, merge in layers, validate with errors that name the line."""

from data_miner.config.load import (
    NO_FILE,
    OVERRIDES,
    default_layer,
    final_problems,
    load_app_config,
    load_resolved,
    to_plain,
    validate,
)
from data_miner.config.merge import Layer, Merged, Origin, merge
from data_miner.config.model import AppConfig, Stage
from data_miner.config.source import KeyPath, Mark, Source, dotted, load_yaml, parse_yaml
from data_miner.config.yaml_text import dump

__all__ = [
    "NO_FILE",
    "OVERRIDES",
    "AppConfig",
    "KeyPath",
    "Layer",
    "Mark",
    "Merged",
    "Origin",
    "Source",
    "Stage",
    "default_layer",
    "dotted",
    "dump",
    "final_problems",
    "load_app_config",
    "load_resolved",
    "load_yaml",
    "merge",
    "parse_yaml",
    "to_plain",
    "validate",
]
