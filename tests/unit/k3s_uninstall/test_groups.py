"""The control groups of pods go with k3s, and no others do."""

from __future__ import annotations

from pathlib import Path

import pytest

from module_utils import k3s_removal
from module_utils.node_state.model import StateError


@pytest.mark.parametrize("parent", ["", "memory"])
def test_empty_groups_of_pods_are_removed_to_the_bottom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, parent: str
) -> None:
    monkeypatch.setattr(k3s_removal, "CGROUPS", tmp_path)
    for name in ("kubepods/besteffort/pod1/abc", "kubepods/pod2", "system.slice/ssh.service"):
        (tmp_path / parent / name).mkdir(parents=True)
    assert list(k3s_removal._remove_groups(check=True)) == ["remove 1 control groups of pods"]
    assert (tmp_path / parent / "kubepods/pod2").exists()
    assert list(k3s_removal._remove_groups(check=False)) == ["remove 1 control groups of pods"]
    assert [path.name for path in (tmp_path / parent).iterdir()] == ["system.slice"]
    assert list(k3s_removal._remove_groups(check=False)) == []


def test_a_group_that_is_in_use_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(k3s_removal, "CGROUPS", tmp_path)
    monkeypatch.setattr(k3s_removal, "KILL_TIMEOUT_S", 0)
    (tmp_path / "kubepods").mkdir()
    (tmp_path / "kubepods" / "busy").touch()  # what can't be removed as a directory
    with pytest.raises(StateError, match=r"kubepods can't be removed: Directory not empty"):
        list(k3s_removal._remove_groups(check=False))
