"""GPUs are found on the PCI bus, else by the driver's device nodes; what is missing has its remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils.nvidia import gpus, missing


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


@pytest.mark.parametrize(
    ("loaded", "programs", "words"),
    [
        (True, {"nvidia-smi", "nvidia-ctk"}, []),
        (False, {"nvidia-smi", "nvidia-ctk"}, ["not loaded"]),
        (False, set(), ["driver is not installed", "nvidia-ctk"]),
        (True, {"nvidia-smi"}, ["nvidia-ctk"]),
    ],
)
def test_what_is_missing(loaded: bool, programs: set[str], words: list[str]) -> None:
    said = missing(driver_loaded=loaded, programs=programs)
    assert len(said) == len(words)
    assert all(word in sentence for word, sentence in zip(words, said, strict=True))
