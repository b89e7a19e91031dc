"""GPUs are found on the PCI bus, else by the driver's device nodes; a driver that fails has its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils import nvidia
from module_utils.nvidia import gpus, judge, toolkit


def device(where: Path, address: str, *, vendor: str, kind: str) -> None:
    """Add a device of a vendor and a class to a PCI bus."""
    (where / address).mkdir(parents=True)
    (where / address / "vendor").write_text(f"{vendor}\n")
    (where / address / "class").write_text(f"{kind}\n")


def test_display_devices_of_the_vendor_are_gpus_and_nothing_else(tmp_path: Path) -> None:
    device(tmp_path, "0000:02:00.0", vendor="0x10de", kind="0x030200")
    device(tmp_path, "0000:01:00.0", vendor="0x10de", kind="0x030000")
    device(tmp_path, "0000:01:00.1", vendor="0x10de", kind="0x040300")  # its sound
    device(tmp_path, "0000:00:02.0", vendor="0x8086", kind="0x030000")
    assert gpus(tmp_path, tmp_path / "dev") == ["0000:01:00.0", "0000:02:00.0"]


def test_device_nodes_count_where_there_is_no_bus(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidiactl", "null"):
        (tmp_path / name).touch()
    assert gpus(tmp_path / "nowhere", tmp_path) == [str(tmp_path / "nvidia0")]


def test_the_toolkit_is_the_one_that_k3s_takes(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for place in (ours, theirs):
        place.mkdir()
    assert toolkit((ours, theirs)) == ""
    (theirs / "nvidia-container-runtime").touch()
    assert toolkit((ours, theirs)) == str(theirs)
    (ours / "nvidia-container-runtime").touch()
    assert toolkit((ours, theirs)) == str(ours)


def test_a_driver_that_works_says_its_version_and_its_gpus() -> None:
    said = "550.90.07, GPU-1f2e\n550.90.07, GPU-3d4c\n"
    assert judge(0, said, loaded=True) == {
        "version": "550.90.07",
        "gpus": ["GPU-1f2e", "GPU-3d4c"],
        "problems": [],
    }


@pytest.mark.parametrize(
    ("code", "said", "loaded", "remedy"),
    [
        (9, "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.", False, "dkms"),
        (18, "Failed to initialize NVML: Driver/library version mismatch", True, "reboot the machine"),
        (6, "No devices were found", True, "another version of the driver"),
        (15, "Unable to determine the device handle for GPU0: GPU is lost", True, "Xid"),
        (0, "550.90.07, [Unknown Error]", True, "Xid"),
        (0, "550.90.07, GPU-1f2e\nUnable to determine the device handle for GPU1", True, "Xid"),
        (0, "", True, "says (exit code 0): nothing"),
    ],
)
def test_a_driver_that_does_not_is_told_with_the_remedy_and_its_words(
    code: int, said: str, loaded: bool, remedy: str
) -> None:
    found = judge(code, said, loaded=loaded)
    (problem,) = found["problems"]
    assert remedy in problem
    assert f"(exit code {code})" in problem
    assert said.splitlines()[0] in problem if said else True
    assert not found["version"]
    assert not found["gpus"]


def test_a_machine_without_a_driver_is_told_to_install_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nvidia, "PROGRAMS", str(tmp_path))
    (problem,) = nvidia.driver()["problems"]
    assert "nvidia-driver" in problem


def test_a_driver_that_hangs_keeps_nobody_waiting_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\nexec sleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(nvidia, "PROGRAMS", str(tmp_path))
    monkeypatch.setattr(nvidia, "TIMEOUT_S", 0.2)
    (problem,) = nvidia.driver()["problems"]
    assert "did not answer" in problem
    assert "reboot" in problem
