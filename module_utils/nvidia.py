"""Which NVIDIA GPUs a machine has, and what it lacks to use them in containers.

Runs on the nodes, from Python 3.8 on.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

PCI_DEVICES = Path("/sys/bus/pci/devices")
DEVICES = Path("/dev")
DRIVER = Path("/proc/driver/nvidia/version")
VENDOR, DISPLAY_CLASS = "0x10de", "0x03"
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def look() -> dict[str, Any]:
    """Return this machine's ``gpus`` and what is ``missing`` for their use."""
    programs = {name for name in ("nvidia-smi", "nvidia-ctk") if shutil.which(name, path=PROGRAMS)}
    return {
        "gpus": gpus(PCI_DEVICES, DEVICES),
        "missing": missing(driver_loaded=DRIVER.exists(), programs=programs),
    }


def gpus(pci_devices: Path, devices: Path) -> list[str]:
    """Return the PCI addresses of NVIDIA's display devices, or the device nodes of its driver."""
    found = [
        device.name
        for device in sorted(pci_devices.glob("*"))
        if _read(device / "vendor") == VENDOR and _read(device / "class").startswith(DISPLAY_CLASS)
    ]
    return found or [str(node) for node in sorted(devices.glob("nvidia[0-9]*"))]


def missing(*, driver_loaded: bool, programs: set[str]) -> list[str]:
    """Say what a machine with a GPU lacks, one sentence each with the remedy."""
    wanted = []
    if "nvidia-smi" not in programs:
        wanted.append(
            "The NVIDIA driver is not installed; install it (Debian: nvidia-driver, Ubuntu: ubuntu-drivers "
            "install --gpgpu), reboot the machine, and run this again"
        )
    elif not driver_loaded:
        wanted.append("The NVIDIA driver is installed but not loaded; reboot the machine, and run this again")
    if "nvidia-ctk" not in programs:
        wanted.append(
            "The NVIDIA container toolkit (nvidia-ctk) is not installed; install nvidia-container-toolkit "
            "from NVIDIA's package repository, and run this again"
        )
    return wanted


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""
