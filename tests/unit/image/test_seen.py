"""A machine that preflight has seen is asked again only where something is to be done there."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from module_utils.node_images.containerd import Containerd
from module_utils.node_images.control import look
from module_utils.node_images.plan import IMPORTED, PINNED, own_name
from tests.modules import load_action

REF, IMAGE_ID, MANIFEST = "lab.local/miner:1", f"sha256:{'a' * 64}", f"sha256:{'1' * 64}"
TYPE = "application/vnd.oci.image.manifest.v1+json"
LABELS = f"{IMPORTED}=17,{PINNED}=pinned"


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is seen of a node that has one image of ours and remembers its deployment."""
    rows = [(REF, LABELS), (own_name(REF, IMAGE_ID), LABELS), (IMAGE_ID, "io.cri-containerd.image=managed")]
    listing = "".join(f"{ref} {TYPE} {MANIFEST} 1.0 MiB linux/amd64 {labels}\n" for ref, labels in rows)
    monkeypatch.setattr(Containerd, "__call__", lambda *_: listing)
    deployed = [{"at": 17, "tag": "1", "images": {"workers": IMAGE_ID}}]
    (tmp_path / "deployed.json").write_text(json.dumps(deployed))
    found = look(["ctr"], str(tmp_path))
    assert found is not None
    return found


def asked(monkeypatch: pytest.MonkeyPatch, *, check: bool = False, **options: Any) -> bool:
    """Whether the machine is asked."""
    calls: list[dict[str, Any]] = []
    action = load_action("node_images").ActionModule
    plugin = action.__new__(action)
    image = {"reference": REF, "image_id": IMAGE_ID}
    plugin._task = SimpleNamespace(args={"images": [image]} | options, check_mode=check)

    def execute(**call: Any) -> dict[str, Any]:
        calls.append(call)
        return {"image_ids": {REF: IMAGE_ID}}

    monkeypatch.setattr(plugin, "_execute_module", execute, raising=False)
    monkeypatch.setattr("ansible.plugins.action.ActionBase.run", lambda *_: {})
    assert plugin.run()["image_ids"] == {REF: options.get("images", [image])[0]["image_id"] or IMAGE_ID}
    return bool(calls)


def test_a_machine_that_has_everything_is_not_asked_again(
    seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = {"tag": "1", "images": {"workers": IMAGE_ID}}
    assert not asked(monkeypatch, seen=seen)
    assert not asked(monkeypatch, seen=seen, deployment=deployment)
    assert asked(monkeypatch)
    assert asked(monkeypatch, seen=seen, deployment={**deployment, "tag": "2"})
    assert asked(monkeypatch, seen=seen, spread=False, deployment={**deployment, "images": {}})


def test_a_machine_that_lacks_something_is_asked(
    seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    del seen["images"][REF]
    assert asked(monkeypatch, seen=seen)
    assert not asked(monkeypatch, seen=seen, check=True)


def test_what_has_no_id_yet_is_read_from_what_was_seen(
    seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not asked(monkeypatch, seen=seen, check=True, images=[{"reference": REF, "image_id": ""}])


def test_where_containerd_does_not_answer_nothing_was_seen(tmp_path: Path) -> None:
    assert look([str(tmp_path / "nothing")], str(tmp_path)) is None
