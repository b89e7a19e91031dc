"""Configuration: read with places, merge in layers, validate with errors that name the line."""

from data_miner.config.load import default_layer, load_app_config, load_resolved, to_plain, validate
from data_miner.config.merge import Layer, Merged, Origin, merge
from data_miner.config.model import AppConfig, Stage
from data_miner.config.source import KeyPath, Mark, Source, dotted, load_yaml, parse_yaml

__all__ = [
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
    "load_app_config",
    "load_resolved",
    "load_yaml",
    "merge",
    "parse_yaml",
    "to_plain",
    "validate",
]
