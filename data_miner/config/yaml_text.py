"""The dialect of YAML that configuration is written in, for reading and for writing alike."""

from __future__ import annotations

import re
from typing import Any

import yaml

_TIMESTAMP, _FLOAT = "tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:float"
_EXPONENT = re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$")


class Loader(yaml.CSafeLoader):
    """Reads dates as text, and 1e-3 as a number."""


class SlowLoader(yaml.SafeLoader):
    """The same, ten times slower, and better at saying what is wrong with a text."""


class _Dumper(yaml.SafeDumper):
    """Quotes what the loader would take for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


for _side in (Loader, SlowLoader, _Dumper):
    _side.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in _side.yaml_implicit_resolvers.items()
    }
    _side.add_implicit_resolver(_FLOAT, _EXPONENT, list("-+0123456789"))


def dump(data: Any, *, sort_keys: bool = False) -> str:
    """Return plain values as text that reads back as the same values."""
    return yaml.dump(data, Dumper=_Dumper, sort_keys=sort_keys, allow_unicode=True, width=110)
