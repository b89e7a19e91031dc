"""This machine's architecture, in the words of those who are asked for it."""

from __future__ import annotations

import platform

from miner_cluster.artifacts.recipe import ArtifactError

_BY_MACHINE = {"x86_64": "amd64", "aarch64": "arm64"}


def architecture() -> str:
    """Return ``amd64`` or ``arm64``, as Go, Debian, k3s and container images say.

    Raises:
        ArtifactError: it is another one.
    """
    machine = platform.machine()
    try:
        return _BY_MACHINE[machine]
    except KeyError:
        raise ArtifactError(
            f"nothing is made for {machine} machines; run this on one of {', '.join(_BY_MACHINE)}"
        ) from None
