"""Another lab's inventory: `python -m miner_cluster.lab_inventory [--existing] NAME`.

Writes .state/NAME/inventory/cluster_config.yaml from that of the default lab, with a subnet that nothing on
this machine has. A file that is there is kept as it is: the subnet stays, and so does what the user changed.
With --existing it must be there.
"""

from __future__ import annotations

import argparse
import fcntl
import ipaddress
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from data_miner.errors import MinerError
from miner_cluster.lab.errors import LabError
from miner_cluster.lab.subnets import podman_subnets, routed
from miner_cluster.value_types import dns_label

CHECKOUT = Path(__file__).resolve().parent.parent
FILE = "cluster_config.yaml"
#: with a machine's name of at most 45 characters and a hyphen, a host name of at most 63
MAX_NAME = 17
#: third numbers of 172.31.N.0/24; below are the default lab's and those of its tests
_NUMBERS = range(80, 250)
_ADDRESS = re.compile(r"172\.31\.77\.(\d+)")


def main(argv: list[str]) -> int:
    """Write the inventory and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m miner_cluster.lab_inventory")
    parser.add_argument("--existing", action="store_true", help="refuse a lab that was never made")
    parser.add_argument("name")
    options = parser.parse_args(argv)
    try:
        if options.existing:
            require_inventory(options.name)
        else:
            write_inventory(options.name)
    except MinerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def require_inventory(name: str, *, checkout: Path = CHECKOUT) -> None:
    """Check that a lab's inventory is there.

    Raises:
        LabError: it is not; with the labs that there are.
    """
    labs = sorted(path.parent.parent.name for path in checkout.glob(f".state/*/inventory/{FILE}"))
    if name not in labs:
        raise LabError(f"LAB={name}: there is no such lab here; there are: {', '.join(labs) or 'none'}")


def write_inventory(name: str, *, checkout: Path = CHECKOUT) -> Path:
    """Write the lab's inventory unless it is there, and return its path; says on stderr what it chose.

    Raises:
        LabError: the name can't name a lab, or every subnet is taken.
    """
    check_name(
        name, reserved={path.parent.name for path in checkout.glob(f"inventory/*/{FILE}")} | {"molecule"}
    )
    file = checkout / ".state" / name / "inventory" / FILE
    if file.exists():
        return file
    file.parent.mkdir(parents=True, exist_ok=True)
    # Two that choose at the same time see each other's choice.
    with (checkout / ".state" / ".subnets.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        chosen = checkout.glob(f".state/*/inventory/{FILE}")
        taken = [*routed(), *podman_subnets(), *(subnet for path in chosen for subnet in named_subnets(path))]
        template = (checkout / "inventory" / "lab" / FILE).read_text("utf-8")
        new = file.with_suffix(".new")
        number = free_number(taken)
        new.write_text(inventory_text(template, name, number), "utf-8")
        new.rename(file)
    print(f"lab {name}: subnet 172.31.{number}.0/24, described by {file}", file=sys.stderr)
    return file


def check_name(name: str, *, reserved: Iterable[str]) -> None:
    """Refuse what can't name a lab.

    Raises:
        LabError: with what would be right.
    """
    try:
        dns_label(name)
    except ValueError as error:
        raise LabError(f"LAB={name}: a lab's name {error}") from error
    if len(name) > MAX_NAME:
        raise LabError(f"LAB={name}: a lab's name has at most {MAX_NAME} characters")
    if name in reserved:
        raise LabError(
            f"LAB={name}: {name} is the name of an inventory in the repository; choose another one"
        )


def free_number(taken: Iterable[str]) -> int:
    """Return the first N for which no taken subnet overlaps 172.31.N.0/24.

    Raises:
        LabError: there is none.
    """
    networks = [ipaddress.IPv4Network(subnet) for subnet in taken]
    for number in _NUMBERS:
        wanted = ipaddress.IPv4Network(f"172.31.{number}.0/24")
        if not any(network.overlaps(wanted) for network in networks):
            return number
    raise LabError(
        f"172.31.{_NUMBERS[0]}.0/24 to 172.31.{_NUMBERS[-1]}.0/24 are all taken on this machine; remove labs "
        "(make lab-down LAB=NAME, and then their directories in .state/)"
    )


def named_subnets(file: Path) -> set[str]:
    """Return the subnets of a lab's addresses, as far as its file can be read."""
    return {f"172.31.{number}.0/24" for number in re.findall(r"172\.31\.(\d+)\.\d+", file.read_text("utf-8"))}


def inventory_text(template: str, name: str, number: int) -> str:
    """Return the default lab's text with another name and other addresses."""
    text = _ADDRESS.sub(rf"172.31.{number}.\1", template)
    text = text.replace("$schema=../../schemas/", "$schema=../../../schemas/")
    return re.sub(r"^cluster:\n", f"cluster:\n  name: {name}\n", text, count=1, flags=re.MULTILINE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
