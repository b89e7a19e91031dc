"""Which machines exchange blobs, and how they are reached."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from miner_cluster.images.layout import OciImage, read_image
from tests.modules import load_action
from tests.unit.image.layouts import layout

ROOT = {
    "ansible_user": "root",
    "ansible_host": "192.0.2.7",
    "ansible_port": 2222,
    "ansible_ssh_private_key_file": "/keys/id",
    "ansible_ssh_common_args": "-o UserKnownHostsFile='\"/a dir/known_hosts\"'",
}


@pytest.fixture
def action() -> Any:
    return load_action("image_spread")


@pytest.fixture
def image(tmp_path: Path) -> OciImage:
    layout(tmp_path / "a", b"base", b"code")
    return read_image(tmp_path / "a")


def lacking(image: OciImage, *has: str) -> dict[str, Any]:
    blobs = {digest: size for digest, size in image.blobs.items() if digest not in has}
    return {"lacking": {"blobs": blobs, "has": list(has), "paths": [str(image.path)]}, "image_ids": {}}


def test_machines_that_have_the_image_help_a_few_of_them(action: Any, image: OciImage) -> None:
    with_it = {f"old{number}": {"image_ids": {"a:1": image.image_id}} for number in range(9)}
    found = action.taking_part({"new": lacking(image)} | with_it, [image])
    assert found["new"] == frozenset()
    helpers = {name: holds for name, holds in found.items() if name != "new"}
    assert len(helpers) == 4
    assert set(helpers.values()) == {frozenset(image.blobs)}


def test_machines_without_it_are_left_alone(action: Any, image: OciImage) -> None:
    looks = {"new": lacking(image), "storage": {"image_ids": {"b:1": "sha256:other"}}, "failed": {}}
    assert list(action.taking_part(looks, [image])) == ["new"]


def test_what_a_machine_has_of_an_image_it_passes_on(action: Any, image: OciImage) -> None:
    part = next(iter(image.blobs))
    assert action.taking_part({"new": lacking(image, part)}, [image]) == {"new": frozenset([part])}


def test_root_is_reached_as_ansible_does(action: Any) -> None:
    found = action.way(ROOT, "")
    assert found["reach"][-5:] == ["-p", "2222", "-i", "/keys/id", "root@192.0.2.7"]
    assert 'UserKnownHostsFile="/a dir/known_hosts"' in found["reach"]
    assert "root" not in found


def test_the_password_of_another_user_is_in_no_argument(action: Any) -> None:
    word = "open sesame"
    found = action.way(ROOT | {"ansible_user": "op"}, word)
    assert found["root"][:2] == ("sudo", "-S")
    assert found["password"] == word
    assert word not in [*found["reach"], *found["root"]]
    assert action.way(ROOT | {"ansible_user": "op"}, "")["root"] == ("sudo", "-n", "--")
