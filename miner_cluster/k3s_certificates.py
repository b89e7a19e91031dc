"""When the certificates end that k3s made for its machines."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from data_miner.certificate import first_end

#: k3s makes new ones when it starts within the last 90 days, so one that is nearer to its end was missed
PROBLEM_DAYS = 30


class End(NamedTuple):
    """The certificate of a machine that ends first."""

    at: datetime
    path: str


def first_ends(looks: Mapping[str, Mapping[str, Any]]) -> dict[str, End]:
    """Return of each machine its certificate that ends first; machines without one are left out.

    Args:
        looks: what each machine says of itself; ``certificates`` are PEM texts by path.

    Raises:
        CertificateError: one can't be read.
    """
    return {
        name: min(End(first_end([text]), path) for path, text in look["certificates"].items())
        for name, look in looks.items()
        if look.get("certificates")
    }


def problems(ends: Mapping[str, End], now: datetime) -> list[str]:
    """Return what is wrong, by machine."""
    found = []
    for name, end in ends.items():
        days = (end.at - now).days
        if days < PROBLEM_DAYS:
            when = f"ends in {days} days" if days >= 0 else f"has ended on {end.at.date()}"
            found.append(f"{name}: the certificate {end.path} of k3s {when}; {_remedy(end.path)}")
    return found


def _remedy(path: str) -> str:
    if PurePosixPath(path).name.endswith("-ca.crt"):
        return "it is an authority, which only k3s itself replaces: k3s certificate rotate-ca --help"
    return "run: ansible-playbook playbooks/certificates.yml"
