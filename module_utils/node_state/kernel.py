"""Kernel modules and parameters."""

from __future__ import annotations

import os
from pathlib import Path

from .model import Loaded, StateError
from .run import last_lines, run

SYS_MODULE = Path("/sys/module")
PROC_SYS = Path("/proc/sys")
FILE_SYSTEMS = Path("/proc/filesystems")
#: what only a kernel with the module has, where a built-in one leaves no trace in /sys/module
TRACES = {"br_netfilter": Path("/proc/sys/net/bridge")}


def module_state(name: str) -> Loaded:
    """Return how the kernel has a module."""
    name = name.replace("-", "_")
    if (SYS_MODULE / name / "initstate").exists():
        return Loaded.LOADED
    if (SYS_MODULE / name).exists() or name in FILE_SYSTEMS.read_text().split() or _listed(name):
        return Loaded.BUILT_IN
    trace = TRACES.get(name)
    return Loaded.BUILT_IN if trace and trace.exists() else Loaded.NO


def _listed(name: str) -> bool:
    """Tell whether the kernel's list of built-in modules has it."""
    listed = Path("/lib/modules", os.uname().release, "modules.builtin")
    try:
        lines = listed.read_text().splitlines()
    except OSError:
        return False
    return any(Path(line).name.partition(".")[0].replace("-", "_") == name for line in lines)


def load_module(name: str) -> None:
    """Load a module.

    Raises:
        StateError: the kernel does not have it.
    """
    done = run("modprobe", "--", name)
    if done.returncode:
        raise StateError(
            f"The kernel {os.uname().release} has no module {name}:\n{last_lines(done.stderr, 3)}\n"
            "Install the package with this kernel's modules (linux-modules-extra on Ubuntu), or boot the "
            "kernel that is installed, then run this again."
        )


def sysctl_file(key: str) -> Path:
    """Return the file through which a parameter is read and set; / in a key stands for a dot in a name."""
    return PROC_SYS / "/".join(part.replace("/", ".") for part in key.split("."))


def read_sysctl(key: str) -> str | None:
    """Return a parameter's value; None where the kernel does not have it."""
    try:
        return sysctl_file(key).read_text().strip()
    except FileNotFoundError:
        return None


def set_sysctl(key: str, value: str) -> None:
    """Set a parameter for now.

    Raises:
        StateError: the kernel does not have it, or refuses the value.
    """
    try:
        sysctl_file(key).write_text(f"{value}\n")
    except FileNotFoundError as error:
        raise StateError(
            f"The kernel {os.uname().release} has no parameter {key}; a module may be missing"
        ) from error
    except OSError as error:
        raise StateError(f"The kernel refuses {key} = {value}: {error.strerror}") from error
