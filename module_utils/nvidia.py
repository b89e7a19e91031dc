"""Which NVIDIA GPUs a machine has, whether their driver works, and whose container toolkit is there.

Runs on the nodes, from Python 3.8 on.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

PCI_DEVICES = Path("/sys/bus/pci/devices")
DEVICES = Path("/dev")
DRIVER = Path("/proc/driver/nvidia/version")
VENDOR, DISPLAY_CLASS = "0x10de", "0x03"
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: where k3s looks for the container runtime, in its order
TOOLKITS = (Path("/usr/local/nvidia/toolkit"), Path("/usr/bin"))
RUNTIME = "nvidia-container-runtime"
#: a driver that hangs does so for ever; one that has to be loaded first takes some seconds
TIMEOUT_S = 60.0
_QUERY = ("--query-gpu=driver_version,uuid", "--format=csv,noheader")
_ROW = re.compile(r"(\d+(?:\.\d+)+), (GPU-\S+)")


def look() -> dict[str, Any]:
    """Return this machine's ``gpus``, what is ``missing`` for their use, and where its ``toolkit`` is."""
    return {
        "gpus": gpus(PCI_DEVICES, DEVICES),
        "missing": driver()["problems"],
        "toolkit": toolkit(TOOLKITS),
    }


def gpus(pci_devices: Path, devices: Path) -> list[str]:
    """Return the PCI addresses of NVIDIA's display devices, or the device nodes of its driver."""
    found = [
        device.name
        for device in sorted(pci_devices.glob("*"))
        if _read(device / "vendor") == VENDOR and _read(device / "class").startswith(DISPLAY_CLASS)
    ]
    return found or [str(node) for node in sorted(devices.glob("nvidia[0-9]*"))]


def toolkit(places: tuple[Path, ...]) -> str:
    """Return the directory of the container toolkit that k3s takes; empty where there is none."""
    return next((str(place) for place in places if (place / RUNTIME).is_file()), "")


def driver() -> dict[str, Any]:
    """Return the driver's ``version``, the ``gpus`` that it drives, and its ``problems`` with remedies."""
    program = shutil.which("nvidia-smi", path=PROGRAMS)
    if program is None:
        return _broken(
            "The NVIDIA driver is not installed; install it (Debian: nvidia-driver, Ubuntu: ubuntu-drivers "
            "install --gpgpu), reboot the machine, and run this again"
        )
    try:
        done = subprocess.run(  # noqa: S603 - no shell reads it
            [program, *_QUERY],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=TIMEOUT_S,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
    except subprocess.TimeoutExpired:
        return _broken(
            f"nvidia-smi did not answer within {TIMEOUT_S:.0f} s, as the GPU hangs; reboot the machine, look "
            "for Xid in `dmesg` if it happens again, and run this again"
        )
    except OSError as error:
        return _broken(f"{program} can't be run ({error.strerror}); install the NVIDIA driver anew")
    return judge(done.returncode, done.stdout.decode("utf-8", "replace"), loaded=DRIVER.exists())


def judge(code: int, said: str, *, loaded: bool) -> dict[str, Any]:
    """Return what an answer of nvidia-smi says of the driver.

    Args:
        code: its exit code.
        said: what it printed.
        loaded: whether the kernel has the driver's module.
    """
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    rows = [row for row in map(_ROW.fullmatch, lines) if row]
    if code == 0 and rows and len(rows) == len(lines):
        return {"version": rows[0][1], "gpus": [row[2] for row in rows], "problems": []}
    return _broken(_problem(code, said, loaded=loaded))


def _broken(problem: str) -> dict[str, Any]:
    return {"version": "", "gpus": [], "problems": [problem]}


def _problem(code: int, said: str, *, loaded: bool) -> str:
    words = " ".join(said.split()) or "nothing"
    quoted = f"nvidia-smi says (exit code {code}): {words[:300]}"
    if "version mismatch" in words:
        return (
            "The NVIDIA driver was upgraded and the kernel still runs the one before; reboot the machine, "
            f"and run this again. {quoted}"
        )
    if "No devices were found" in words:
        return (
            "The NVIDIA driver finds no GPU that it can drive; look for NVRM in `dmesg`: the card may need "
            f"another version of the driver, or power; then run this again. {quoted}"
        )
    if not loaded:
        return (
            "The NVIDIA driver is installed but not loaded; reboot the machine. If that does not help, its "
            "module was not built for this kernel: apt-get install linux-headers-$(uname -r), dkms "
            f"autoinstall, modprobe nvidia; then run this again. {quoted}"
        )
    return (
        "The NVIDIA driver does not work; look for NVRM and Xid in `dmesg`, reboot the machine, and run this "
        f"again. {quoted}"
    )


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
