"""Whose a container or a network is: pure."""

from __future__ import annotations

from collections.abc import Mapping

from miner_cluster.lab.errors import LabError
from miner_cluster.lab.model import LABEL_LAB, LABEL_STATE, Found, Lab

#: podman's word for a container of which only files are left
LEFTOVER = "storage"


def ours(lab: Lab, found: Found, labels: Mapping[str, str]) -> bool:
    """Return whether something is this lab's, or of a lab of the same name whose checkout is gone.

    Raises:
        LabError: it is that of another checkout.
    """
    if labels.get(LABEL_LAB) != lab.name:
        return False
    state = labels.get(LABEL_STATE, "")
    if state != str(lab.state_dir) and state in found.living:
        raise LabError(
            f"another checkout has a lab {lab.name} on this machine, its files are in {state}: choose "
            "another name here (make lab LAB=NAME), or remove it from there first (make lab-down)"
        )
    return True


def check_network(lab: Lab, found: Found) -> None:
    """Refuse to touch the network of another checkout's lab.

    Raises:
        LabError: with its owner.
    """
    if network := found.networks.get(lab.network):
        ours(lab, found, network.labels)


def our_containers(lab: Lab, found: Found, wanted: frozenset[str]) -> set[str]:
    """Return the names of this lab's containers that are there, and of what interrupted runs left of them.

    Raises:
        LabError: the lab, or a name that it needs, belongs to somebody else.
    """
    names: set[str] = set()
    for name, container in found.containers.items():
        if ours(lab, found, container.labels) or (name in wanted and container.state == LEFTOVER):
            names.add(name)
        elif name in wanted:
            other = container.labels.get(LABEL_LAB)
            whose = f"of the lab {other}" if other else "that no lab made"
            raise LabError(
                f"there is a container {name} {whose}; choose another name (make lab LAB=NAME), or remove it "
                f"(podman rm --force {name})"
            )
    return names
