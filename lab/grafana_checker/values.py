"""Values as people read them, by Grafana's names of units."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_SUFFIXES = {"percent": " %", "d": " days"}
_KIB = 1024
_MINUTE_S, _HOUR_S = 60, 3600


def words(value: Any, unit: str) -> str:
    """Return a value with its unit."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    if isinstance(value, int | float | Decimal):
        return _number(float(value), unit)
    return str(value)


def _number(number: float, unit: str) -> str:
    if unit == "bytes":
        return _bytes(number)
    if unit == "s":
        return _seconds(number)
    digits = 0 if number == int(number) else 1
    return f"{number:,.{digits}f}{_SUFFIXES.get(unit, '')}"


def _bytes(number: float) -> str:
    if number < _KIB:
        return f"{number:.0f} B"
    for word in ("KiB", "MiB", "GiB"):
        number /= _KIB
        if number < _KIB:
            return f"{number:.1f} {word}"
    return f"{number / _KIB:.1f} TiB"


def _seconds(number: float) -> str:
    if number < _MINUTE_S:
        return f"{number:.1f} s"
    if number < _HOUR_S:
        return f"{number / _MINUTE_S:.1f} min"
    return f"{number / _HOUR_S:.1f} h"
