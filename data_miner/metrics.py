"""Counters and gauges in Prometheus' text format."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import Literal

Labels = tuple[tuple[str, str], ...]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """A set of named numbers that any thread may change and read."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._help: dict[str, tuple[str, str]] = {}
        self._values: dict[str, dict[Labels, float]] = {}

    def declare(self, name: str, kind: Literal["counter", "gauge"], text: str) -> None:
        """Announce a metric; it is shown only once it has a value."""
        with self._lock:
            self._help[name] = (kind, text)
            self._values.setdefault(name, {})

    def add(self, name: str, amount: float = 1, **labels: str) -> None:
        """Add to a counter."""
        key = tuple(sorted(labels.items()))
        with self._lock:
            self._values[name][key] = self._values[name].get(key, 0) + amount

    def replace(self, name: str, values: Iterable[tuple[Mapping[str, str], float]]) -> None:
        """Set a gauge for all its labels at once; labels that are gone disappear."""
        fresh = {tuple(sorted(labels.items())): value for labels, value in values}
        with self._lock:
            self._values[name] = fresh

    def render(self) -> str:
        """Return everything as Prometheus reads it."""
        lines: list[str] = []
        with self._lock:
            for name, values in self._values.items():
                kind, text = self._help[name]
                lines += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
                lines += [f"{name}{_braces(labels)} {value:g}" for labels, value in sorted(values.items())]
        return "\n".join(lines) + "\n"


def _braces(labels: Labels) -> str:
    inner = ",".join(f'{name}="{_escape(value)}"' for name, value in labels)
    return f"{{{inner}}}" if inner else ""


def _escape(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
