"""Which mounts of the shared storage a teardown undoes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.module_utils.testing import patch_module_args

from tests.modules import load_module

fuse_unmounted = load_module("fuse_unmounted")
MOUNTED = [
    ("/", "ext4"),
    ("/old/shared", "fuse.seaweedfs"),
    ("/old/disk", "ext4"),
    ("/old/sshfs", "fuse.sshfs"),
    ("/older/shared", "fuse.seaweedfs"),
    ("/new/shared", "fuse.seaweedfs"),
    ("/new/shared", "fuse"),
]


def test_the_mount_itself_is_undone_from_the_top_and_others_are_not() -> None:
    assert fuse_unmounted.to_unmount(MOUNTED, "/new/shared", set()) == ["/new/shared", "/new/shared"]
    assert fuse_unmounted.to_unmount(MOUNTED, "/old/disk", set()) == []


def test_seaweedfs_is_also_undone_where_it_was_mounted_before_its_place_changed() -> None:
    found = fuse_unmounted.to_unmount(MOUNTED, "/new/shared", {"/old", "/old/shared"})
    assert found == ["/new/shared", "/new/shared", "/old/shared"]


@pytest.mark.parametrize("names", [{}, {"other": {}}])
def test_a_machine_without_a_record_has_nothing_to_unmount(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], names: dict[str, object]
) -> None:
    record = tmp_path / "owned.json"
    if names:
        entry: dict[str, object] = {"files": [], "blocks": [], "directories": {}, "units": {}}
        record.write_text(json.dumps({"version": 1, "names": dict.fromkeys(names, entry)}))
    options = {"path": str(tmp_path), "owner": "seaweedfs", "record": str(record)}
    with patch_module_args(options), pytest.raises(SystemExit):
        fuse_unmounted.main()
    assert json.loads(capsys.readouterr().out)["unmounted"] == []
