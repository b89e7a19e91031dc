"""The machines' host keys: recorded when a machine is first seen, refused when they change."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from miner_cluster.ssh.keys import SshError

SCAN_S = 10
PORT = 22
_AT_ONCE = 32
#: of a machine its keys by their kind
Keys = dict[str, str]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be recorded, by machine, and what is in the way."""

    new: dict[str, Keys]
    problems: list[str]


def host_name(ip: str, port: int) -> str:
    """Return what a machine is called in known_hosts."""
    return ip if port == PORT else f"[{ip}]:{port}"


def parse(text: str) -> Keys:
    """Return the keys of a known_hosts or a scan, comments and markers left out."""
    rows = [line.split() for line in text.splitlines() if line.strip() and line[0] not in "#@"]
    return {row[1]: row[2] for row in rows if len(row) >= 3}  # noqa: PLR2004 - host, kind, key


def plan(known: Mapping[str, Keys], seen: Mapping[str, Keys], accepted: Iterable[str]) -> Plan:
    """Compare what the machines show with what is recorded.

    Args:
        known: what is recorded, by machine.
        seen: what each shows now.
        accepted: machines whose key may have changed.
    """
    new: dict[str, Keys] = {}
    problems = []
    for name, keys in seen.items():
        before = known.get(name, {})
        if not keys:
            if before and name not in accepted:
                continue  # it is known, and who logs in will say that it is away
            problems.append(f"{name} shows no host key; is it on, and does its SSH server run?")
        elif not before or (name in accepted and _changed(before, keys)):
            new[name] = keys
        elif changed := _changed(before, keys):
            was = fingerprint(before[changed]) if changed in before else f"of the kind {', '.join(before)}"
            now = f"{fingerprint(keys[changed])} ({changed})"
            problems.append(
                f"THE HOST KEY OF {name} HAS CHANGED: it was {was} and is {now}. Either it was installed "
                "anew, or somebody stands between you and it. Compare at the machine itself: for f in "
                "/etc/ssh/ssh_host_*.pub; do ssh-keygen -lf $f; done. If that is what it shows: "
                f"-e accept_host_key={name}"
            )
    return Plan(new=new, problems=problems)


def fingerprint(key: str) -> str:
    """Return a key's fingerprint as ssh shows it."""
    digest = hashlib.sha256(base64.b64decode(key)).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def scan(machines: Mapping[str, tuple[str, int]]) -> dict[str, Keys]:
    """Ask all machines for their host keys at once; none where one does not answer."""

    def ask(address: tuple[str, int]) -> Keys:
        ip, port = address
        return parse(_output("ssh-keyscan", "-T", str(SCAN_S), "-p", str(port), ip))

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return dict(zip(machines, pool.map(ask, machines.values()), strict=True))


def recorded(file: Path, machines: Mapping[str, tuple[str, int]]) -> dict[str, Keys]:
    """Return what is recorded of each machine; names in the file may be hashed."""
    if not file.exists():
        return {}
    return {
        name: parse(_output("ssh-keygen", "-F", host_name(*address), "-f", str(file)))
        for name, address in machines.items()
    }


def record(file: Path, machines: Mapping[str, tuple[str, int]], new: Mapping[str, Keys]) -> None:
    """Write what is new, in place of what was there of the same machines."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name in new if file.exists() else ():
        _output("ssh-keygen", "-R", host_name(*machines[name]), "-f", str(file))
    lines = [
        f"{host_name(*machines[name])} {kind} {key}\n"
        for name, keys in new.items()
        for kind, key in keys.items()
    ]
    with file.open("a", encoding="utf-8") as known:
        known.writelines(lines)


def _changed(before: Keys, now: Keys) -> str:
    """Return the first kind of key that is another now; or the first of all where no kind is in both."""
    both = [kind for kind in before if kind in now]
    return next((kind for kind in both if before[kind] != now[kind]), "" if both else next(iter(now)))


def _output(*argv: str) -> str:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)  # noqa: S603
    except OSError as error:
        raise SshError(f"{argv[0]}: {error.strerror}; install it: apt-get install openssh-client") from error
    return done.stdout
