"""Which machines answer at all: a connection to each SSH port, all at once."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

TIMEOUT_S = 5.0
_AT_ONCE = 32
_GREETING = b"SSH-"


def unreachable(addresses: Mapping[str, tuple[str, int]], *, timeout_s: float = TIMEOUT_S) -> dict[str, str]:
    """Return of each machine on which no SSH server answers the reason.

    A connection alone proves little: gateways take connections for machines that are not there.

    Args:
        addresses: host and port by name of the machine.
        timeout_s: how long to wait for each step.
    """

    def reason(address: tuple[str, int]) -> str:
        try:
            with socket.create_connection(address, timeout=timeout_s) as connection:
                greeting = connection.recv(len(_GREETING), socket.MSG_WAITALL)
        except TimeoutError:
            return f"no answer in {timeout_s:.0f} s"
        except OSError as error:
            return (error.strerror or str(error)).lower()
        return "" if greeting == _GREETING else "what answers there is no SSH server"

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        reasons = pool.map(reason, addresses.values())
    return {name: text for name, text in zip(addresses, reasons, strict=True) if text}
