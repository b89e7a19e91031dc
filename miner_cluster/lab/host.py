"""This machine: what it is, its values, and the lock that keeps two runs apart."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from miner_cluster.lab.commands import run
from miner_cluster.lab.errors import LabError
from miner_cluster.lab.model import INSIDE, Host

#: gone with the next boot, as what it tells of is
RUNTIME = Path("/run/data-miner-lab")
RECORD = RUNTIME / "sysctls.json"
PROGRAMS = (
    "podman",
    "runc",
    "iptables",
    "ip",
    "mkfs.ext4",
    "e2fsck",
    "resize2fs",
    "losetup",
    "ssh",
    "ssh-keygen",
)
#: what the kernel must have: what shows it, and the module that brings it
FEATURES = {
    "/dev/loop-control": "loop",
    "/dev/fuse": "fuse",
    "/sys/module/overlay": "overlay",
    "/proc/sys/net/bridge": "br_netfilter",
}
_CAP_SYS_RESOURCE = 1 << 24
LOCK_WAIT_S = 300
_MAX_FILES = 1 << 20


def look() -> Host:
    """Return what is special about this machine."""
    return Host(
        cgroup_v1=run("stat", "--file-system", "--format=%T", "/sys/fs/cgroup").strip() != "cgroup2fs",
        limits=None if _may_raise_limits() else _limits(),
        modules=Path("/lib/modules").is_dir(),
    )


def require_root_and_programs() -> None:
    """Refuse to go on as another user, or without the programs.

    Raises:
        LabError: with what is missing.
    """
    if os.geteuid() != 0:
        raise LabError(
            "a lab's machines are containers with a network and disks of their own, which needs root"
        )
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        raise LabError(f"{', '.join(missing)}: not installed here; run scripts/bootstrap lab")


def require_features() -> None:
    """Load what the kernel has as modules; refuse to go on without.

    Raises:
        LabError: with the module's name.
    """
    for place, module in FEATURES.items():
        if not Path(place).exists():
            try:
                run("modprobe", module)
            except LabError as error:
                raise LabError(
                    f"this kernel has no {module}, which the lab's machines need ({error})"
                ) from error


def sysctls(keys: Iterable[str]) -> dict[str, int]:
    """Return values of this machine; those that it does not have are left out."""
    found: dict[str, int] = {}
    for key in keys:
        file = _sysctl(key)
        if file.exists():
            found[key] = int(file.read_text("utf-8").split()[0])
    return found


def recorded_sysctls() -> dict[str, int]:
    """Return what the values were before the first lab of this boot."""
    try:
        recorded: dict[str, int] = json.loads(RECORD.read_text("utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return {}
    return recorded


def set_sysctls(values: Mapping[str, int]) -> None:
    """Set values until the next boot."""
    for key, value in values.items():
        if _sysctl(key).exists():
            _sysctl(key).write_text(f"{value}\n", "utf-8")


def record_sysctls(values: Mapping[str, int]) -> None:
    """Keep the values that this machine has now, unless an earlier lab did."""
    if not RECORD.exists():
        new = RECORD.with_suffix(".new")
        new.write_text(json.dumps(values), "utf-8")
        new.rename(RECORD)


@contextmanager
def lock() -> Iterator[None]:
    """Hold the lock that lets one run at a time make or remove labs.

    Raises:
        LabError: another run kept it for minutes.
    """
    RUNTIME.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (RUNTIME / "lock").open("w") as file:
        deadline = time.monotonic() + LOCK_WAIT_S
        while not _try_lock(file.fileno()):
            if time.monotonic() > deadline:
                raise LabError(
                    "another run makes or removes a lab on this machine and does not end; look at it"
                )
            time.sleep(0.1)
        yield


def free_memory_mb() -> int:
    """Return the memory that programs can have."""
    for line in Path("/proc/meminfo").read_text("utf-8").splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) >> 10
    return 0


def free_disk_mb(path: Path) -> int:
    """Return what is free where a path lies, or will lie."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free >> 20


def loops(directory: Path) -> dict[str, Path]:
    """Return the loop devices over files of a directory, whether the files are still there or not."""
    found: dict[str, Path] = {}
    for entry in Path("/sys/block").glob("loop*/loop/backing_file"):
        try:
            name = entry.read_text("utf-8").strip().removesuffix(" (deleted)")
        except OSError:  # detached meanwhile
            continue
        file = Path(name.removeprefix(INSIDE))
        if file.parent == directory:
            found[f"/dev/{entry.parts[3]}"] = file
    return found


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sysctl(key: str) -> Path:
    return Path("/proc/sys") / key.replace(".", "/")


def _may_raise_limits() -> bool:
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) & _CAP_SYS_RESOURCE)
    return False


def _limits() -> tuple[int, int]:
    """Return the highest nofile and nproc that containers may have; podman lowers its nproc to pid_max."""
    processes = int(Path("/proc/sys/kernel/pid_max").read_text("utf-8"))
    return _hard(resource.RLIMIT_NOFILE, _MAX_FILES), _hard(resource.RLIMIT_NPROC, processes)


def _hard(limit: int, most: int) -> int:
    hard = resource.getrlimit(limit)[1]
    return most if hard == resource.RLIM_INFINITY else min(hard, most)
