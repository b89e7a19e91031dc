"""The cluster's key: made once, replaced in steps, and each step can be the last of a run."""

from __future__ import annotations

import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.ssh.keys import SshError, public, public_path
from tests.modules import load_module

module = load_module("ssh_key")


def step(path: Path, state: str, *, check: bool = False) -> dict[str, Any]:
    result: dict[str, Any] = module.run(
        {"path": str(path), "state": state, "comment": "data-miner test"}, check=check
    )
    return result


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "state" / "id_ed25519"


def test_a_key_is_made_once_and_only_its_owner_reads_it(key: Path) -> None:
    first = step(key, "present")
    assert first["changed"]
    assert first["public"].startswith("ssh-ed25519 ")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.parent.stat().st_mode) == 0o700
    assert step(key, "present") == first | {"changed": False}


def test_check_mode_makes_nothing(key: Path) -> None:
    assert step(key, "present", check=True) == {"changed": True, "public": "", "next": "", "old": ""}
    assert not key.parent.exists()


def test_the_next_key_takes_the_place_of_the_one_in_use_and_leaves_it_until_all_is_settled(key: Path) -> None:
    before = step(key, "present")["public"]
    coming = step(key, "next")
    assert coming["public"] == before
    assert coming["next"] not in {"", before}
    swapped = step(key, "swapped")
    assert (swapped["public"], swapped["next"], swapped["old"]) == (coming["next"], "", before)
    assert public_path(key).read_text().strip() == public(key)
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert step(key, "settled")["old"] == ""
    assert sorted(path.name for path in key.parent.iterdir()) == ["id_ed25519", "id_ed25519.pub"]


def test_a_key_that_was_not_made_here_may_open_other_things_and_is_kept(key: Path) -> None:
    key.parent.mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-C", "me@home", "-f", key], check=True)
    theirs, beside = key.read_bytes(), public_path(key).read_bytes()
    for state in ("next", "swapped", "settled"):
        step(key, state)
    (kept,) = key.parent.glob("id_ed25519.replaced-*T*Z")
    assert (kept.read_bytes(), public_path(kept).read_bytes()) == (theirs, beside)
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert not list(key.parent.glob("*.old*"))


def test_an_exchange_that_was_interrupted_is_finished_before_another_begins(key: Path) -> None:
    step(key, "present")
    coming = step(key, "next")["next"]
    assert step(key, "next") == step(key, "next") | {"changed": False, "next": coming}
    step(key, "swapped")
    again = step(key, "next")
    assert not again["changed"]
    assert again["next"] == ""
    assert not step(key, "swapped")["changed"]


@pytest.mark.parametrize("writes", range(7))
def test_an_exchange_that_was_killed_half_way_never_calls_the_key_in_use_an_old_one(
    key: Path, writes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    step(key, "present")
    step(key, "next")
    left = iter(range(writes))

    def before(real: Callable[..., Any]) -> Callable[..., Any]:
        def write(*arguments: Any, **options: Any) -> Any:
            if next(left, None) is None:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return write

    for place, name in ((shutil, "copy2"), (Path, "write_text"), (Path, "replace"), (Path, "unlink")):
        monkeypatch.setattr(place, name, before(getattr(place, name)))
    with pytest.raises(KeyboardInterrupt):
        step(key, "swapped")
    monkeypatch.undo()
    now = step(key, "present")
    assert now["public"]
    assert now["old"] != now["public"]
    # ssh offers what is in the file beside the key, and refuses to go on where that is another's.
    assert not public_path(key).exists() or public_path(key).read_text().strip() == now["public"]
    after = step(key, "swapped")
    assert after["old"] not in {"", after["public"]}


def test_what_an_interrupted_making_left_is_no_key(key: Path) -> None:
    key.parent.mkdir()
    key.with_name("id_ed25519.making").write_text("half")
    step(key, "present")
    assert public(key).startswith("ssh-ed25519 ")


def test_a_file_that_is_no_key_is_named(key: Path) -> None:
    key.parent.mkdir()
    key.write_text("nonsense")
    key.chmod(0o600)
    with pytest.raises(SshError, match=r"id_ed25519: "):
        step(key, "present")
