"""Doing what a plan says."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from miner_cluster.lab import host, look, machine
from miner_cluster.lab.commands import run
from miner_cluster.lab.containers import limit_flags
from miner_cluster.lab.errors import LabError
from miner_cluster.lab.firewall import CHAINS, rules
from miner_cluster.lab.model import (
    IMAGES,
    LABEL_LAB,
    LABEL_RECIPE,
    LABEL_STATE,
    Container,
    Found,
    FoundContainer,
    FoundMachine,
    Host,
    Lab,
    Machine,
)
from miner_cluster.lab.plan import MIB, Plan, known_hosts, wanted_files
from miner_cluster.lab.podman import podman

#: how long a machine that goes may take to stop: its disk stays, so files are written out
_STOP_S = 5
#: how long after its container's end a loop device may live
_LOOP_S = 10
_HOST_KEY_S = 30
#: what `podman rmi` returns for an image that a container has
_IN_USE = 2
T = TypeVar("T")


def apply(lab: Lab, this: Host, found: Found, plan: Plan) -> None:
    """Do what the plan says, except for what is inside the machines.

    Raises:
        LabError: something failed; running again goes on from there.
    """
    if plan.sysctls or plan.create:
        host.record_sysctls(found.sysctls)
    host.set_sysctls(plan.sysctls)
    _remove(lab, this, plan)
    _add(lab, this, plan)


def settle(lab: Lab, this: Host, *, timeout_s: float) -> list[str]:
    """Bring what is inside the running machines into shape, and wait until all are up.

    Returns:
        A sentence for each machine in which a unit failed.

    Raises:
        LabError: one did not come up in time.
    """
    there, inside = _started(lab, this)
    key = look.public_key(lab)
    for name, files in inside.items():
        wanted = wanted_files(lab, key, files)
        if wanted != files:
            machine.write(there[name].pid, wanted)
    _write(lab.known_hosts, known_hosts(lab, inside), mode=0o600)
    states = _together(partial(machine.wait_until_up, lab, timeout_s=timeout_s), lab.machines)
    if lab.site:
        machine.wait_for_site(lab.site.ip, timeout_s=timeout_s)
    return [
        f"{each.name}: units failed: {machine.failed_units(lab, each)}"
        for each, state in zip(lab.machines, states, strict=True)
        if state == "degraded"
    ]


def _remove(lab: Lab, this: Host, plan: Plan) -> None:
    if plan.remove_containers:
        # with the lab its disks go, so nobody needs to write anything out
        stop_s = 0 if plan.remove_state else _STOP_S
        podman(this, "rm", "--force", f"--time={stop_s}", "--ignore", *plan.remove_containers)
    for table, old in plan.remove_rules.items():
        for rule in old:
            run("iptables", "--wait", "--table", table, "--delete", *rule.split()[1:])
    if plan.remove_network:
        podman(this, "network", "rm", "--force", lab.network)
    for device in set(plan.detach_loops) & set(host.loops(lab.disks)):
        run("losetup", "--detach", device)
    if plan.grow_disks or plan.remove_state:
        _wait_for_loops(lab, None if plan.remove_state else {f"{each}.img" for each in plan.grow_disks})
    for name in plan.remove_state:
        _remove_path(lab.state_dir / name)
    if plan.remove_state:
        with contextlib.suppress(OSError):  # what is kept is in it
            lab.state_dir.rmdir()
    if plan.restore_sysctls:
        host.set_sysctls(plan.restore_sysctls)
        host.RECORD.unlink()


def _add(lab: Lab, this: Host, plan: Plan) -> None:
    if plan.create:
        lab.disks.mkdir(mode=0o700, parents=True, exist_ok=True)
    if plan.import_image:
        _import_image(lab, this)
    if plan.make_key:
        _make_key(lab)
    _together(partial(_make_disk, lab), (each for each in lab.machines if each.name in plan.make_disks))
    for each in lab.machines:
        if each.name in plan.grow_disks:
            _grow_disk(lab, each)
    if plan.make_network:
        _make_network(lab, this)
    if plan.add_rules:
        bridge = podman(this, "network", "inspect", "--format={{.NetworkInterface}}", lab.network).strip()
        for table in plan.add_rules:
            rule = rules(lab, bridge)[table].split()[2:]
            run("iptables", "--wait", "--table", table, "--insert", CHAINS[table], "1", *rule)
    _together(partial(_create, lab, this), plan.create)
    if plan.start:
        podman(this, "start", *plan.start)


def _started(lab: Lab, this: Host) -> tuple[dict[str, FoundContainer], dict[str, FoundMachine]]:
    """Return the containers and the machines' files, as soon as each machine has made its host key."""
    deadline = time.monotonic() + _HOST_KEY_S
    while True:
        there = look.containers(this)
        inside = look.machines(lab, there)
        missing = [name for each in lab.machines if (name := lab.container(each.name)) not in inside]
        if not missing:
            return there, inside
        for name in missing:
            if name not in there or not there[name].running or time.monotonic() > deadline:
                said = podman(this, "logs", "--tail=3", name).strip() if name in there else ""
                raise LabError(f"{name} does not start: {said or 'it says nothing'}")
        time.sleep(0.1)


def _create(lab: Lab, this: Host, container: Container) -> None:
    labels = {LABEL_LAB: lab.name, LABEL_STATE: str(lab.state_dir), LABEL_RECIPE: container.recipe}
    flags = [f"--label={key}={value}" for key, value in labels.items()]
    podman(this, "run", "--detach", f"--name={container.name}", *flags, *limit_flags(this), *container.argv)


def _import_image(lab: Lab, this: Host) -> None:
    """Import the root file system, and remove older ones, which podman refuses where a container has one."""
    podman(this, "import", "--quiet", str(lab.image_path), f"{IMAGES}:{lab.image_tag}")
    for tag in podman(this, "images", f"--filter=reference={IMAGES}", "--format={{.Tag}}").split():
        if tag != lab.image_tag:
            podman(this, "rmi", f"{IMAGES}:{tag}", ok=(0, _IN_USE))


def _make_key(lab: Lab) -> None:
    lab.ssh_key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for leftover in (lab.ssh_key, Path(f"{lab.ssh_key}.pub")):
        leftover.unlink(missing_ok=True)
    comment = f"data-miner lab {lab.name}"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(lab.ssh_key))


def _make_disk(lab: Lab, each: Machine) -> None:
    partial_file = lab.disk(each).with_suffix(".partial")
    partial_file.unlink(missing_ok=True)
    partial_file.touch(mode=0o600)
    _resize(partial_file, lab.disk_mb)
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-E", "nodiscard", str(partial_file))
    partial_file.rename(lab.disk(each))


def _grow_disk(lab: Lab, each: Machine) -> None:
    file = str(lab.disk(each))
    run("e2fsck", "-f", "-p", file, ok=(0, 1))
    _resize(lab.disk(each), lab.disk_mb)
    run("resize2fs", file)


def _resize(file: Path, size_mb: int) -> None:
    with file.open("r+b") as handle:
        handle.truncate(size_mb * MIB)


def _make_network(lab: Lab, this: Host) -> None:
    labels = (f"--label={LABEL_LAB}={lab.name}", f"--label={LABEL_STATE}={lab.state_dir}")
    addresses = (f"--subnet={lab.subnet}", f"--gateway={lab.gateway}")
    podman(this, "network", "create", "--disable-dns", *labels, *addresses, lab.network)


def _wait_for_loops(lab: Lab, names: set[str] | None) -> None:
    """Wait until the loop devices over these disks, or over all, went with their containers."""
    deadline = time.monotonic() + _LOOP_S
    while busy := [
        file.name for file in host.loops(lab.disks).values() if names is None or file.name in names
    ]:
        if time.monotonic() > deadline:
            raise LabError(
                f"{', '.join(busy)} in {lab.disks}: still in use; losetup --list shows by which device"
            )
        time.sleep(0.05)


def _write(file: Path, text: str, *, mode: int) -> None:
    if file.is_file() and file.read_text("utf-8") == text:
        return
    new = file.with_suffix(".new")
    new.touch(mode=mode)
    new.write_text(text, "utf-8")
    new.rename(file)


def _remove_path(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _together(function: Callable[[T], str | None], items: Iterable[T]) -> list[str | None]:
    """Call a function for each item, all at once; the first error is raised when all have ended."""
    with ThreadPoolExecutor(max_workers=8) as pool:
        return [future.result() for future in [pool.submit(function, item) for item in items]]
