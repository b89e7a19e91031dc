#!/usr/bin/python
"""Ansible module: which NVIDIA GPUs a machine has, and what it lacks to use them in containers."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_info
short_description: Find NVIDIA GPUs, their driver and the container toolkit
description:
  - Changes nothing. A GPU is a PCI display device of the vendor 10de, or a device node of the driver.
attributes:
  check_mode: {support: full}
options: {}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Look for GPUs
  nvidia_info:
  register: _nvidia_look
"""

RETURN = r"""
gpus:
  description: PCI addresses of the GPUs, or device nodes where the PCI bus can't be seen.
  type: list
  elements: str
  returned: always
missing:
  description: What must be installed before containers can use a GPU, one sentence each with the remedy.
  type: list
  elements: str
  returned: always
"""

import shutil
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

PCI_DEVICES = Path("/sys/bus/pci/devices")
DEVICES = Path("/dev")
DRIVER = Path("/proc/driver/nvidia/version")
VENDOR, DISPLAY_CLASS = "0x10de", "0x03"
PROGRAMS = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def gpus(pci_devices: Path, devices: Path) -> list[str]:
    """Return the addresses of NVIDIA's display devices, or the device nodes of its driver."""
    found = [
        device.name
        for device in sorted(pci_devices.glob("*"))
        if _read(device / "vendor") == VENDOR and _read(device / "class").startswith(DISPLAY_CLASS)
    ]
    return found or [str(node) for node in sorted(devices.glob("nvidia[0-9]*"))]


def missing(*, driver_loaded: bool, programs: set[str]) -> list[str]:
    """Say what a machine with a GPU lacks."""
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


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={}, supports_check_mode=True)
    programs = {name for name in ("nvidia-smi", "nvidia-ctk") if shutil.which(name, path=PROGRAMS)}
    module.exit_json(
        changed=False,
        gpus=gpus(PCI_DEVICES, DEVICES),
        missing=missing(driver_loaded=DRIVER.exists(), programs=programs),
    )


if __name__ == "__main__":
    main()
