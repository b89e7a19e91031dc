"""The shared storage under traffic while one part breaks: nothing acknowledged is lost, and it recovers.

The writer is on the last node and the reader on the one before it, so that what breaks there is felt.
"""

from __future__ import annotations

import pytest

from tests.e2e.lab import Lab
from tests.e2e.storage_faults import kill, kill_unit, restart_machine, server, survives, weed


def last(lab: Lab) -> str:
    return list(lab.nodes())[-1]


def test_a_killed_volume_server_loses_nothing(lab: Lab) -> None:
    survives(lab, "volume server killed", lambda: kill(lab, last(lab), weed("volume")))


def test_a_killed_filer_loses_nothing(lab: Lab) -> None:
    survives(lab, "filer killed", lambda: kill(lab, server(lab), weed("filer")))


def test_a_killed_master_loses_nothing(lab: Lab) -> None:
    survives(lab, "master killed", lambda: kill(lab, server(lab), weed("master")))


def test_a_killed_mount_loses_nothing(lab: Lab) -> None:
    survives(lab, "mount killed", lambda: kill(lab, last(lab), weed("mount")))


@pytest.mark.parametrize(
    ("place", "unit"), [pytest.param(0, "k3s", marks=pytest.mark.soak), (-1, "k3s-agent")]
)
def test_a_killed_kubelet_disturbs_no_file(lab: Lab, place: int, unit: str) -> None:
    node = list(lab.nodes())[place]
    survives(lab, f"kubelet killed ({unit})", lambda: kill_unit(lab, node, unit))


@pytest.mark.soak
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_restarted_machine_loses_nothing(lab: Lab, place: int) -> None:
    nodes = list(lab.nodes())
    node = nodes.pop(place)
    survives(lab, f"{node} restarted", lambda: restart_machine(lab, node), writer=nodes[0], reader=nodes[1])
