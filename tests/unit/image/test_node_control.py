"""What a machine does with the images that it has and those that came."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from module_utils.node_images.containerd import Containerd, CtrError
from module_utils.node_images.control import complete, converge
from module_utils.node_images.plan import IMPORTED, PINNED, Image, Plan
from module_utils.node_images.state import State

A, B = (f"sha256:{digit * 64}" for digit in "ab")
REF = "docker.io/library/data-miner:lab"
MANIFESTS = {REF: {"digest": "sha256:1", "size": 1, "mediaType": "x"}}


@dataclass
class Node(Containerd):
    """A containerd of the tests' own, in which an import brings what the plan says."""

    state: State
    known: dict[str, Image] = field(default_factory=dict)
    brings: str = A
    imported: int = 0
    away: bool = False

    def images(self) -> dict[str, Image]:
        if self.away:
            raise CtrError("no socket")
        return self.known

    def blobs(self) -> list[str]:
        return ["sha256:base"]

    def apply(self, steps: Plan, manifests: dict[str, Any], blobs: Path, now: int) -> None:
        labels = {PINNED: "pinned", IMPORTED: str(now)}
        for name in steps.missing:
            assert manifests[REF]
            self.imported += 1
            self.known[name] = Image(self.brings, labels)
        for ref, name in steps.move.items():
            self.known[ref] = Image(self.known[name].image_id, labels)
        for ref in steps.remove:
            del self.known[ref]

    def settle(self, wanted: dict[str, str]) -> dict[str, Image]:
        return self.known

    def run(self, wanted: dict[str, str], **changes: Any) -> dict[str, Any]:
        given: dict[str, Any] = {
            "state": self.state,
            "spares": 1,
            "deployment": {"tag": "lab", "images": {"workers": wanted.get(REF, "")}},
            "manifests": None,
            "look_only": False,
        }
        return converge(self, wanted, **(given | changes))


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(State(str(tmp_path / "state")))


def came(node: Node) -> None:
    node.state.incoming.mkdir(parents=True)
    (node.state.incoming / "blob").touch()


def test_what_lacks_something_changes_nothing_before_it_came(node: Node) -> None:
    found = node.run({REF: A})
    assert (found["changed"], found["blobs"]) == (False, ["sha256:base"])
    assert node.known == {}
    assert node.state.deployments() == []


def test_what_came_is_imported_remembered_and_cleared_away(node: Node) -> None:
    came(node)
    found = node.run({REF: A}, manifests=MANIFESTS)
    assert found["changed"]
    assert node.known[REF].image_id == A
    assert [past["images"] for past in node.state.deployments()] == [{"workers": A}]
    assert not node.state.incoming.exists()
    assert not node.run({REF: A})["changed"]


def test_blobs_that_came_for_an_earlier_run_go_when_nothing_is_missing(node: Node) -> None:
    node.run({REF: A}, manifests=MANIFESTS)
    came(node)
    assert not node.run({REF: A})["changed"]
    assert not node.state.incoming.exists()


def test_another_image_than_the_wanted_one_is_refused_and_not_remembered(node: Node) -> None:
    node.brings = B
    with pytest.raises(CtrError, match=f"{REF} is {B} instead of {A}"):
        node.run({REF: A}, manifests=MANIFESTS)
    assert node.state.deployments() == []


def test_a_machine_without_these_workers_remembers_the_deployment_too(node: Node) -> None:
    found = node.run({}, deployment={"tag": "v1", "images": {"workers": A}})
    assert found["changes"] == ["remember what is deployed as v1"]
    assert not node.run({}, deployment={"tag": "v1", "images": {"workers": A}})["changed"]


def test_a_deployment_is_under_way_until_its_end_is_written_down(node: Node) -> None:
    node.run({}, deployment={"tag": "lab", "images": {"workers": A}, "under_way": "previous"})
    assert node.state.deployments()[-1]["under_way"] == "previous"
    assert complete(node.state, look_only=True)["changed"]
    assert "under_way" in node.state.deployments()[-1]
    assert complete(node.state, look_only=False)["changes"] == ["lab is deployed"]
    assert "under_way" not in node.state.deployments()[-1]
    assert not complete(node.state, look_only=False)["changed"]
    assert not node.run({}, deployment={"tag": "lab", "images": {"workers": A}, "under_way": "lab"})[
        "changed"
    ]


def test_check_mode_says_what_would_come_and_writes_nothing(node: Node, tmp_path: Path) -> None:
    found = node.run({REF: A}, look_only=True)
    assert found["changed"]
    assert "blobs" not in found
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_ours_is_left_after_the_last_image_goes(node: Node, tmp_path: Path) -> None:
    node.run({REF: A}, manifests=MANIFESTS)
    node.run({}, spares=0, deployment=None)
    assert (node.known, list(tmp_path.iterdir())) == ({}, [])


def test_without_k3s_it_is_said_what_to_do(node: Node) -> None:
    node.away = True
    with pytest.raises(CtrError, match="is k3s running here"):
        node.run({REF: A})
    assert node.run({REF: A}, look_only=True)["changed"]
