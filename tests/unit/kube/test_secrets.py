"""Secrets are applied when they differ, and never told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from miner_cluster.kube.api import NOT_FOUND, ApiError, KubeError
from miner_cluster.kube.secrets import apply_secret, missing_secrets, remove_secret, wanted_secret
from tests.modules import call, load_module
from tests.unit.kube.fake_api import FakeApi

generated = load_module("generated_secret")
WANTED = wanted_secret("postgres", "data-miner", "lab", {"password": "hunter2"})


def test_a_secret_is_applied_once_and_then_left_alone() -> None:
    api = FakeApi()
    assert apply_secret(api, WANTED, check=False) == "made"
    assert apply_secret(api, WANTED, check=False) == ""
    new = wanted_secret("postgres", "data-miner", "lab", {"password": "new"})
    assert apply_secret(api, new, check=False) == "replaced"


def test_a_secret_that_somebody_deleted_is_named() -> None:
    api = FakeApi()
    apply_secret(api, WANTED, check=False)
    missing = missing_secrets(api, "data-miner", ["postgres", "grafana"])
    assert missing == ["Secret data-miner/grafana is missing"]


def test_what_somebody_added_to_a_secret_goes_again() -> None:
    api = FakeApi()
    apply_secret(api, WANTED, check=False)
    path = "/api/v1/namespaces/data-miner/secrets/postgres"
    api.objects[path]["data"] |= {"added": "eA=="}
    assert apply_secret(api, WANTED, check=False)
    assert ("PUT", path) in {request[:2] for request in api.requests}
    assert api.objects[path]["data"] == WANTED["data"]
    assert not apply_secret(api, WANTED, check=False)


def test_a_secret_that_nobody_gets_any_more_is_removed() -> None:
    api = FakeApi()
    apply_secret(api, WANTED, check=False)
    assert remove_secret(api, "data-miner", "postgres", check=True)
    assert api.objects
    assert remove_secret(api, "data-miner", "postgres", check=False)
    assert api.objects == {}
    assert not remove_secret(api, "data-miner", "postgres", check=False)


def test_a_secret_of_somebody_else_is_not_removed() -> None:
    other = {**WANTED, "metadata": {**WANTED["metadata"], "labels": {"team": "x"}}}
    api = FakeApi(other)
    assert not remove_secret(api, "data-miner", "postgres", check=False)
    assert api.objects


def test_check_mode_says_so_and_applies_nothing() -> None:
    api = FakeApi()
    assert apply_secret(api, WANTED, check=True)
    assert api.objects == {}


def test_without_a_namespace_it_says_what_to_run() -> None:
    api = FakeApi()
    api.refusals[api.path(WANTED)] = ApiError(NOT_FOUND, "NotFound", 'namespaces "data-miner" not found')
    with pytest.raises(KubeError, match=r"no namespace data-miner .*ansible-playbook site\.yml"):
        apply_secret(api, WANTED, check=False)


def test_a_made_up_secret_is_kept_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "password"
    assert generated.read(path) == ""
    generated.write(path, "hunter2")
    assert generated.read(path) == "hunter2"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == ["password"]  # noqa: PTH208 - with hidden files


def test_an_emptied_secret_is_not_replaced_silently(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("\n")
    with pytest.raises(generated.UnusableError, match="is empty; put the password back"):
        generated.read(tmp_path / "password")


def test_an_unusable_secret_is_told_and_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"\xff")
    kept = generated.keep(tmp_path / "password", [], check=False)
    assert (kept["changed"], kept["secret"]) == (False, "")
    assert "is no text" in kept["problem"]


def test_a_lost_secret_is_not_replaced_while_there_is_data_that_it_opens(tmp_path: Path) -> None:
    path, data = tmp_path / "secrets" / "password", tmp_path / "postgres"
    (data / "pgdata").mkdir(parents=True)
    for check in (True, False):
        kept = generated.keep(path, [str(data)], check=check)
        assert (kept["changed"], kept["secret"]) == (False, "")
        assert f"{path} is lost, and {data} holds data that only it opens" in kept["problem"]
        assert f"move {data} away" in kept["problem"]
    assert not path.exists()


def test_an_empty_disk_and_a_directory_that_is_not_there_hold_no_data(tmp_path: Path) -> None:
    (tmp_path / "disk" / "lost+found").mkdir(parents=True)
    path = tmp_path / "secrets" / "password"
    directories = [str(tmp_path / "disk"), str(tmp_path / "nowhere")]
    made = generated.keep(path, directories, check=False)
    (tmp_path / "disk" / "pgdata").mkdir()
    assert made["changed"]
    kept = generated.keep(path, directories, check=False)
    assert kept == {"changed": False, "secret": made["secret"], "problem": ""}


def test_a_removed_secret_takes_its_directory_with_it_when_that_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "password"
    generated.write(path, "x")
    (path.parent / "other").touch()
    generated.remove(path)
    assert path.parent.exists()
    (path.parent / "other").unlink()
    generated.write(path, "x")
    generated.remove(path)
    assert not path.parent.exists()


def test_a_secret_is_followed_by_another_one_in_two_steps(tmp_path: Path) -> None:
    path = tmp_path / "password"
    old = generated.keep(path, [], check=False)["secret"]
    new = generated.prepare(path, check=False)
    assert new["secret"] not in {"", old}
    # As after an interruption: the same one again, and nobody takes the old one for the one in use.
    assert generated.prepare(path, check=False) == {**new, "changed": False}
    assert "rotate_secrets.yml" in generated.keep(path, [], check=False)["problem"]
    assert generated.rotate(path, check=False) == {"changed": True}
    assert generated.keep(path, [], check=False) == {**new, "changed": False}
    assert generated.rotate(path, check=False) == {"changed": False}
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_follows_a_secret_that_is_not_there(tmp_path: Path) -> None:
    assert "does not exist yet" in generated.prepare(tmp_path / "password", check=False)["problem"]


def test_check_mode_prepares_and_rotates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "password"
    generated.write(path, "old")
    assert generated.prepare(path, check=True)["changed"]
    generated.write(generated.following(path), "new")
    assert generated.rotate(path, check=True) == {"changed": True}
    assert generated.read(path) == "old"


@pytest.mark.parametrize("state", ["present", "next", "kept", "rotated"])
def test_a_disk_that_takes_nothing_is_told_as_what_no_log_does_not_hide(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str
) -> None:
    path = tmp_path / "password"
    if state != "present":
        path.write_text("old")
    if state == "rotated":
        generated.following(path).write_text("new")

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(generated.os, "fsync", refuse)
    monkeypatch.setattr(generated.Path, "rename", refuse)
    secret = {"name": "postgres", "path": str(path), "value": "new"}
    said = call(generated, {"secrets": [secret], "state": state})
    assert said["problems"] == {"postgres": f"{path}: No space left on device"}
    assert not said["changed"]
    assert said["secrets"] == ({"postgres": ""} if state in {"present", "next"} else {})


def test_several_secrets_are_had_in_one_go_each_with_its_own_problem(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "pgdata").touch()
    secrets = [
        {"name": "page", "path": str(tmp_path / "page-password")},
        {"name": "storage", "path": str(tmp_path / "security"), "generate": False},
        {
            "name": "postgres",
            "path": str(tmp_path / "postgres-password"),
            "unless_present": [str(tmp_path / "postgres")],
        },
    ]
    first, second = (call(generated, {"secrets": secrets}) for _ in range(2))
    assert (first["changed"], second["changed"]) == (True, False)
    assert first["secrets"] == second["secrets"]
    assert first["secrets"]["page"] == (tmp_path / "page-password").read_text().strip()
    assert (first["secrets"]["storage"], first["secrets"]["postgres"]) == ("", "")
    assert set(first["problems"]) == {"postgres"}
    assert not (tmp_path / "security").exists()
