"""Stopping k3s and removing what it made while it ran, in steps that find nothing the second time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .k3s_leftovers import (
    LINKS,
    PARENTS,
    POD_NETWORK,
    TREES,
    UNITS,
    Process,
    our_ip_sets,
    our_mounts,
    our_processes,
    without_our_rules,
)
from .mounts import all_mounts, mounts, remove_tree, unmount
from .node_state import systemd
from .node_state.model import StateError
from .node_state.run import environment, last_lines, run

#: seconds that k3s may take to stop, and that killed processes may take to end
STOP_TIMEOUT_S, KILL_TIMEOUT_S = 90, 20
PROC, CGROUPS = Path("/proc"), Path("/sys/fs/cgroup")


def stop_k3s(*, check: bool) -> list[str]:
    """Stop the units, not the containers, and return what was done, or would be."""
    return list(_stop_units(check))


def remove_k3s(*, check: bool, mounts_gone: bool = False) -> list[str]:
    """Remove everything and return what was done, or would be.

    With ``mounts_gone`` SeaweedFS' mounts do not count: whoever asks what would be done would have unmounted
    them by then.

    Raises:
        StateError: SeaweedFS is mounted, or something can't be removed.
        UnmountError: something stays mounted.
    """
    shared = sorted(point for point, kind in mounts().items() if kind == "fuse.seaweedfs")
    if shared and not mounts_gone:
        raise StateError(
            f"SeaweedFS is still mounted at {', '.join(shared)}; run: ansible-playbook teardown.yml, "
            "which unmounts it first"
        )
    steps: list[Callable[[bool], Iterator[str]]] = [
        _stop_units,
        _kill,
        _remove_groups,
        _unmount,
        _remove_links,
        _remove_routes,
        _remove_rules,
        _remove_ip_sets,
        _empty_trees,
    ]
    return [sentence for step in steps for sentence in step(check)]


def _stop_units(check: bool) -> Iterator[str]:
    for name, seen in systemd.show(UNITS).items():
        if not seen.down:
            if not check:
                systemd.stop(name, timeout_s=STOP_TIMEOUT_S)
            yield f"stop {name}"


def _kill(check: bool) -> Iterator[str]:
    left = our_processes(_processes())
    if left:
        yield f"kill {len(left)} processes of k3s and its containers"
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while left and not check:
        if time.monotonic() > deadline:
            names = ", ".join(f"{process.pid} ({process.command[:60]})" for process in left[:5])
            raise StateError(f"These processes of k3s don't end, perhaps for a disk that hangs: {names}")
        for process in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(0.2)
        left = our_processes(_processes())


def _remove_groups(check: bool) -> Iterator[str]:
    """Remove the pods' control groups, which are empty once their processes are killed."""
    found = sorted({*CGROUPS.glob("kubepods*"), *CGROUPS.glob("*/kubepods*")})
    deadline = time.monotonic() + KILL_TIMEOUT_S
    for top in found if not check else ():
        for directory, _, _ in os.walk(top, topdown=False):
            while Path(directory).exists():
                try:
                    Path(directory).rmdir()
                except OSError as error:  # a killed process may take a moment to leave it
                    if time.monotonic() > deadline:
                        raise StateError(f"{directory} can't be removed: {error.strerror}") from error
                    time.sleep(0.1)
    if found:
        yield f"remove {len(found)} control groups of pods"


def _unmount(check: bool) -> Iterator[str]:
    for point in our_mounts(point for point, _ in all_mounts()):
        if not check:
            unmount(point)
            if point.startswith("/run/netns/"):
                Path(point).unlink(missing_ok=True)
        yield f"unmount {point}"


def _remove_links(check: bool) -> Iterator[str]:
    for name in LINKS:
        if Path("/sys/class/net", name).exists():
            if not check:
                _must("ip", "link", "delete", name)
            yield f"remove the network interface {name}"


def _remove_routes(check: bool) -> Iterator[str]:
    """Remove what leads to pods; routes of an interface that was removed are gone already."""
    if run("ip", "route", "show", "root", POD_NETWORK).stdout.strip():
        if not check:
            _must("ip", "route", "flush", "root", POD_NETWORK)
        yield f"remove the routes to {POD_NETWORK}"


def _remove_rules(check: bool) -> Iterator[str]:
    for family in ("iptables", "ip6tables"):
        if not _has(f"{family}-save"):
            continue
        rules = run(f"{family}-save").stdout
        rest = without_our_rules(rules)
        if rest != rules:
            if not check:
                _must(f"{family}-restore", stdin=rest)
            yield f"remove the {family} rules of Kubernetes"


def _remove_ip_sets(check: bool) -> Iterator[str]:
    if not _has("ipset"):
        return
    names = our_ip_sets(run("ipset", "list", "-name").stdout.split())
    for name in names if not check else []:
        _must("ipset", "destroy", name)
    if names:
        yield f"remove {len(names)} IP sets of NetworkPolicies"


def _empty_trees(check: bool) -> Iterator[str]:
    """Empty k3s' directories and remove them, except where one is itself a disk's mount point."""
    mounted = mounts()
    for path in (*TREES, *PARENTS):
        directory = Path(path)
        if not directory.is_dir() or directory.is_symlink():
            continue
        # A link above it, such as /var/lib/rancher on a larger disk, was there when k3s filled it.
        place = os.path.realpath(path)
        filled = any(directory.iterdir())
        if place in mounted and not filled:
            continue
        if path in PARENTS and (place in mounted or (filled and not _only_ours(directory, mounted))):
            continue
        if not check and path in TREES:
            remove_tree(place, keep_root=place in mounted)
        elif not check and not any(directory.iterdir()):
            directory.rmdir()
        yield f"{'empty' if place in mounted else 'remove'} {path}"


def _only_ours(directory: Path, mounted: dict[str, str]) -> bool:
    return all(str(child) in TREES and str(child) not in mounted for child in directory.iterdir())


def _processes() -> Iterator[Process]:
    for directory in PROC.iterdir():
        if directory.name.isdigit():
            with contextlib.suppress(OSError):  # it ended meanwhile
                yield Process(
                    pid=int(directory.name),
                    parent=int((directory / "stat").read_text().rpartition(")")[2].split()[1]),
                    command=(directory / "cmdline")
                    .read_bytes()
                    .replace(b"\0", b" ")
                    .decode(errors="replace"),
                    cgroups=(directory / "cgroup").read_text(),
                )


def _has(program: str) -> bool:
    return shutil.which(program, path=environment()["PATH"]) is not None


def _must(*argv: str, stdin: str | None = None) -> None:
    done = run(*argv, stdin=stdin)
    if done.returncode:
        raise StateError(f"`{' '.join(argv)}` fails:\n{last_lines(done.stderr, 3)}")
