"""Versions of k3s, and which of them may follow which: Kubernetes' rules for versions that differ.

An API server is upgraded by one minor version at a time and never goes back by one, for what it wrote may not
be read by an older one. A kubelet may be older than the API servers by three minor versions, and never newer.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

#: by how many minor versions a kubelet may be older than an API server
KUBELET_BEHIND = 3

_VERSION = re.compile(r"v(\d+)\.(\d+)\.(\d+)([-+].*)?")


@dataclass(frozen=True, kw_only=True)
class Running:
    """What a node runs."""

    name: str
    server: bool
    version: str


def minor(version: str) -> tuple[int, int]:
    """Return the major and minor version.

    Raises:
        ValueError: it is no version of k3s.
    """
    found = _parsed(version)
    return int(found[1]), int(found[2])


def newer(nodes: Sequence[Running], wanted: str) -> str:
    """Return which nodes would go back to an older patch, in words; empty where none would.

    Kubernetes allows that, and it is seldom meant.
    """
    found = [node for node in nodes if _order(node.version) > _order(wanted)]
    return _running(found) if found else ""


def problems(nodes: Sequence[Running], wanted: str, *, within: Collection[str]) -> list[str]:
    """Return why nodes can't be brought to a version, a sentence for each reason with what to do.

    Args:
        nodes: all nodes of the cluster.
        wanted: the version.
        within: names of the nodes that this run is about.
    """
    if unknown := [node for node in nodes if _VERSION.fullmatch(node.version) is None]:
        return [f"{node.name} runs {node.version!r}, which is no version of k3s" for node in unknown]
    return [
        *_going_back(nodes, wanted),
        *_skipping(nodes, wanted),
        *_too_old(nodes, wanted),
        *_newer_than_servers(nodes, wanted, within),
    ]


def _order(version: str) -> tuple[Any, ...]:
    """Return what is greater for a later release: minor version, patch, and the number of k3s' own.

    Candidates, such as ``-rc1``, come before the release.
    """
    found = _parsed(version)
    before, _, own = (found[4] or "").partition("+")
    candidate = [(word, int(number)) for word, number in re.findall(r"([a-z]*)\W*(\d+)", before)]
    return *minor(version), int(found[3]), not before, candidate, [*map(int, re.findall(r"\d+", own))]


def _parsed(version: str) -> re.Match[str]:
    found = _VERSION.fullmatch(version)
    if found is None:
        raise ValueError(f"{version!r} is no version such as v1.31.0+k3s1")
    return found


def _going_back(nodes: Sequence[Running], wanted: str) -> Iterator[str]:
    newer = [node for node in nodes if minor(node.version) > minor(wanted)]
    if newer:
        newest = max(minor(node.version) for node in newer)
        yield (
            f"{_running(newer)}, and Kubernetes does not go back by a minor version; "
            f"set cluster.k3s_version to a release of {_line(newest)}"
        )


def _skipping(nodes: Sequence[Running], wanted: str) -> Iterator[str]:
    servers = [node for node in nodes if node.server]
    behind = [node for node in servers if _steps(node.version, wanted) > 1]
    if behind:
        major, oldest = min(minor(node.version) for node in behind)
        yield (
            f"{_running(behind)}, and servers are upgraded by one minor version at a time; "
            f"set cluster.k3s_version to a release of {_line((major, oldest + 1))} first"
        )


def _too_old(nodes: Sequence[Running], wanted: str) -> Iterator[str]:
    agents = [node for node in nodes if not node.server]
    behind = [node for node in agents if _steps(node.version, wanted) > KUBELET_BEHIND]
    if behind:
        major, oldest = min(minor(node.version) for node in behind)
        yield (
            f"{_running(behind)}, and nodes may be older than servers by {KUBELET_BEHIND} minor versions; "
            f"set cluster.k3s_version to a release of {_line((major, oldest + KUBELET_BEHIND))} first"
        )


def _newer_than_servers(nodes: Sequence[Running], wanted: str, within: Collection[str]) -> Iterator[str]:
    """Agents must not be ahead of servers that a limited run leaves out."""
    left_out = [
        node
        for node in nodes
        if node.server and node.name not in within and 0 < _steps(node.version, wanted) <= 1
    ]
    if left_out and any(node.name in within and not node.server for node in nodes):
        yield (
            f"{_running(left_out)}, and no node may be newer than a server; take "
            f"{_names(left_out)} into --limit too"
        )


def _steps(version: str, wanted: str) -> int:
    """Return by how many minor versions the wanted one is ahead; many where the major one differs."""
    (major, old), (new_major, new) = minor(version), minor(wanted)
    return new - old if major == new_major else (new_major - major) * 1000


def _line(of: tuple[int, int]) -> str:
    return f"v{of[0]}.{of[1]}"


def _running(nodes: Sequence[Running]) -> str:
    versions = sorted({node.version for node in nodes})
    return "; ".join(
        f"{_names([node for node in nodes if node.version == version])} "
        f"{'runs' if sum(node.version == version for node in nodes) == 1 else 'run'} {version}"
        for version in versions
    )


def _names(nodes: Sequence[Running]) -> str:
    return ", ".join(node.name for node in nodes)
