"""The specification follows driver, GPUs, device nodes and toolkit; what is as it was is left alone."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.modules import load_module

module = load_module("nvidia_spec")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A machine whose driver and toolkit are scripts that answer from files, and count."""

    root: Path

    def params(self) -> dict[str, str]:
        return {
            "program": str(self.root / "bin" / "nvidia-cdi"),
            "toolkit": str(self.root / "bin"),
            "path": str(self.root / "nvidia.yaml"),
            "stamp": str(self.root / "stamp.json"),
        }

    def run(self, *, check: bool = False) -> dict[str, Any]:
        result: dict[str, Any] = module.converge(self.params(), check=check)
        return result

    def remove(self, *, check: bool = False) -> dict[str, Any]:
        result: dict[str, Any] = module.remove(self.params(), check=check)
        return result

    @property
    def spec(self) -> Path:
        return self.root / "nvidia.yaml"

    @property
    def runs(self) -> int:
        return len((self.root / "runs").read_text().splitlines())

    def say(self, name: str, text: str) -> None:
        (self.root / name).write_text(text)


def script(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\nset -e\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    programs = tmp_path / "bin"
    programs.mkdir()
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "nvidia0").touch()
    made = Machine(root=tmp_path)
    made.say("driver", "550.90.07, GPU-1f2e\n")
    made.say("list", "GPU 0: H (UUID: GPU-1f2e)\n")
    made.say("version", "1.20.1\n")
    made.say("runs", "")
    script(
        programs / "nvidia-smi",
        f'if [ "$1" = -L ]; then cat {tmp_path}/list; exit; fi\n'
        f"cat {tmp_path}/driver\n"
        f"test ! -e {tmp_path}/broken",
    )
    script(programs / "nvidia-ctk", f"cat {tmp_path}/version")
    script(
        programs / "nvidia-cdi",
        f'spec="kind: nvidia.com/gpu $(cat {tmp_path}/driver)"\n'
        f'if [ "$1" = --print ]; then echo "$spec"; exit; fi\n'
        f'test ! -e {tmp_path}/refuses || {{ echo "no libcuda" >&2; exit 3; }}\n'
        f'echo run >>{tmp_path}/runs\necho "$spec" >{tmp_path}/nvidia.yaml',
    )
    monkeypatch.setattr(module.nvidia, "PROGRAMS", f"{programs}:/usr/bin:/bin")
    monkeypatch.setattr(module.nvidia, "DEVICES", tmp_path / "dev")
    monkeypatch.setattr(module, "write_atomically", _write)
    return made


def _write(path: str, content: bytes, _: Any) -> None:
    """Write without giving the file to root, whom a test need not be."""
    Path(path).write_bytes(content)
    os.chmod(path, 0o644)  # noqa: PTH101 - as the module's own


def test_a_second_run_asks_the_driver_and_makes_nothing(machine: Machine) -> None:
    first = machine.run()
    assert first["changed"]
    assert first["problem"] == ""
    assert first["gpus"] == ["GPU-1f2e"]
    second = machine.run()
    assert not second["changed"]
    assert machine.runs == 1


@pytest.mark.parametrize(
    ("what", "text", "differs"),
    [
        ("driver", "555.42.06, GPU-1f2e\n", True),
        ("driver", "550.90.07, GPU-1f2e\n550.90.07, GPU-3d4c\n", True),
        ("list", "GPU 0: H (UUID: GPU-1f2e)\n  MIG 1g.10gb Device 0: (UUID: MIG-1)\n", False),
        ("version", "1.21.0\n", False),
        ("dev/nvidia-uvm", "", False),
        ("nvidia.yaml", "changed by hand", True),
    ],
)
def test_it_is_made_anew_when_something_that_it_depends_on_changes(
    machine: Machine, what: str, text: str, differs: bool
) -> None:
    machine.run()
    machine.say(what, text)
    assert machine.run()["changed"] == differs
    assert machine.runs == 2
    assert not machine.run()["changed"]
    assert machine.runs == 2


def test_a_specification_that_is_gone_comes_back(machine: Machine) -> None:
    machine.run()
    machine.spec.unlink()
    assert machine.run()["changed"]
    assert machine.spec.exists()


def test_check_mode_shows_the_new_one_and_writes_nothing(machine: Machine) -> None:
    machine.run()
    before = machine.spec.read_text()
    machine.say("driver", "555.42.06, GPU-1f2e\n")
    result = machine.run(check=True)
    assert result["changed"]
    assert "550.90.07" in result["diff"]["before"]
    assert "555.42.06" in result["diff"]["after"]
    assert machine.spec.read_text() == before
    assert machine.runs == 1


def test_check_mode_on_a_machine_that_has_nothing_yet(machine: Machine) -> None:
    Path(machine.params()["program"]).unlink()
    assert machine.run(check=True)["changed"]


def test_a_driver_that_broke_is_a_problem_and_leaves_what_there_is(machine: Machine) -> None:
    machine.run()
    before = machine.spec.read_text()
    machine.say("broken", "")
    machine.say("driver", "Driver/library version mismatch\n")
    result = machine.run()
    assert not result["changed"]
    assert "reboot" in result["problem"]
    assert machine.spec.read_text() == before


def test_a_specification_that_can_not_be_made_says_why(machine: Machine) -> None:
    machine.say("refuses", "")
    with pytest.raises(module.SpecError, match="no libcuda"):
        machine.run()
    assert not Path(machine.params()["stamp"]).exists()
    assert "run this again" in module.problem("no libcuda")


def test_it_is_removed_only_where_it_was_made_here(machine: Machine) -> None:
    machine.say("nvidia.yaml", "somebody's own")
    assert not machine.remove()["changed"]
    assert machine.spec.exists()
    machine.run()
    assert machine.remove(check=True)["changed"]
    assert machine.spec.exists()
    assert machine.remove()["changed"]
    assert not machine.spec.exists()
    assert not machine.remove()["changed"]
