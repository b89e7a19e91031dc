"""Kubernetes quantities, and the ranges `request-limit` in which resource presets are written."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypedDict

_CPU = re.compile(r"([0-9]+)(?:\.([0-9]{1,3}))?(m?)")
_MEMORY = re.compile(r"([0-9]+)(Ki|Mi|Gi|Ti|k|M|G|T)")
_BYTES = {
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 2**10,
    "Mi": 2**20,
    "Gi": 2**30,
    "Ti": 2**40,
}


class Resources(TypedDict):
    """The ``resources`` of a container."""

    requests: dict[str, str]
    limits: dict[str, str]


def millicores(text: str) -> int:
    """Return a CPU quantity such as ``250m``, ``1`` or ``1.5`` in thousandths of a core.

    Raises:
        ValueError: it is not one, or not above zero.
    """
    match = _CPU.fullmatch(text)
    if match is None or (match[2] and match[3]):
        raise ValueError(f"{text!r} is no CPU quantity; write 250m (a quarter of a core), 1 or 1.5")
    whole, fraction = int(match[1]), int((match[2] or "0").ljust(3, "0"))
    value = whole if match[3] else whole * 1000 + fraction
    if value == 0:
        raise ValueError("a CPU quantity should be above 0")
    return value


def memory_bytes(text: str) -> int:
    """Return a memory quantity such as ``512Mi`` or ``2G`` in bytes.

    Raises:
        ValueError: it is not one, has no unit, or is not above zero.
    """
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no memory quantity; write 512Mi, 2Gi or 2G")
    if int(match[1]) == 0:
        raise ValueError("a memory quantity should be above 0")
    return int(match[1]) * _BYTES[match[2]]


def split_range(text: str, size: Callable[[str], int]) -> tuple[str, str]:
    """Return request and limit of a range; a single quantity is both.

    Args:
        text: such as ``250m-1000m`` or ``512Mi``.
        size: reads one quantity: ``millicores`` or ``memory_bytes``.

    Raises:
        ValueError: in words, what is wrong with it.
    """
    request, dash, limit = text.partition("-")
    if dash and not (request and limit):
        raise ValueError(f"{text!r} lacks a side; write request-limit, such as 250m-1000m or 512Mi-2Gi")
    if not dash:
        limit = request
    if size(request) > size(limit):
        raise ValueError(f"the request {request} is above the limit {limit}; write {limit}-{request}")
    return request, limit


def cpu_as_the_server_writes(text: str) -> str:
    """Return a CPU quantity as the API server has it: ``1000m`` and ``1.0`` are ``1``.

    Raises:
        ValueError: see ``millicores``.
    """
    whole, rest = divmod(millicores(text), 1000)
    return f"{whole * 1000 + rest}m" if rest else str(whole)


def memory_as_the_server_writes(text: str) -> str:
    """Return a memory quantity as the API server has it, in the greatest unit: ``1024Mi`` is ``1Gi``.

    Raises:
        ValueError: see ``memory_bytes``.
    """
    size = memory_bytes(text)
    units = [unit for unit in _BYTES if unit.endswith("i") == text.endswith("i")]
    unit = next(unit for unit in reversed(units) if size % _BYTES[unit] == 0)
    return f"{size // _BYTES[unit]}{unit}"


def resources(cpu: str, memory: str, ephemeral_storage: str) -> Resources:
    """Return the ``resources`` of a container from a preset's three ranges.

    They are written as the API server does, so that it need not be asked whether they are the same.

    Raises:
        ValueError: a range is not one.
    """
    cpu_request, cpu_limit = map(cpu_as_the_server_writes, split_range(cpu, millicores))
    memory_request, memory_limit = map(memory_as_the_server_writes, split_range(memory, memory_bytes))
    disk_request, disk_limit = map(memory_as_the_server_writes, split_range(ephemeral_storage, memory_bytes))
    return {
        "requests": {"cpu": cpu_request, "memory": memory_request, "ephemeral-storage": disk_request},
        "limits": {"cpu": cpu_limit, "memory": memory_limit, "ephemeral-storage": disk_limit},
    }
