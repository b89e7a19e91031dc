"""Which deployment is meant by -e image_tag, and what machines remember of deployments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.cluster import CHECKOUT
from miner_cluster.images.releases import ReleaseError, assert_new, choose
from module_utils.node_images.state import REMEMBERED, State, completed, remembered
from tests.modules import load_module

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")


def past(*entries: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"at": at, "tag": tag, "images": {"workers": image_id}} for at, (tag, image_id) in enumerate(entries)
    ]


def chosen(tag: str, *histories: list[dict[str, Any]]) -> str | None:
    found = choose(histories, tag, moving_tag="lab")
    return found["images"]["workers"] if found else None


def test_previous_is_what_ran_before_whatever_it_was_called() -> None:
    assert chosen("previous", past(("lab", A), ("lab", B))) == A
    assert chosen("previous", past(("lab", A), ("lab", B), ("v2", B))) == A


def test_going_back_twice_goes_forward_again() -> None:
    assert chosen("previous", past(("lab", A), ("lab", B), ("lab", A))) == B


def test_a_name_means_what_it_meant_when_it_was_deployed() -> None:
    history = past(("v1", A), ("v2", B), ("lab", C))
    assert chosen("v1", history) == A


def test_a_new_name_is_no_other_deployments() -> None:
    history = past(("v1", A), ("lab", B))
    assert_new([history], "v2")
    assert_new([history[:1]], "v1")  # the run that gave it is repeated
    assert_new([], "v1")
    for name, why in (("v1", "was deployed before"), ("previous", "is no name"), ("id-aaaaaa", "is no name")):
        with pytest.raises(ReleaseError, match=why):
            assert_new([history], name)


def test_a_deployment_is_either_found_or_named() -> None:
    run = load_module("image_release").run
    given: dict[str, Any] = {
        "tag": "",
        "name": "",
        "moving_tag": "lab",
        "deployments": [past(("v1", A))],
        "database": {},
    }
    assert run(given | {"name": "v2"}, check=False)["images"] == {}
    assert run(given | {"tag": "v1"}, check=False)["images"] == {"workers": A}
    for both in ({}, {"name": "v2", "tag": "v1"}):
        with pytest.raises(ReleaseError, match="give either"):
            run(given | both, check=False)


def test_the_moving_tag_means_the_sources() -> None:
    assert chosen("lab", past(("lab", A), ("lab", B))) is None


def test_an_id_means_what_has_it() -> None:
    assert chosen("id-aaaaaa", past(("lab", A), ("lab", B))) == A


@pytest.mark.parametrize("tag", ["previous", "id-cccccc", "v1"])
def test_what_was_never_deployed_is_refused_with_what_was(tag: str) -> None:
    with pytest.raises(ReleaseError, match=rf"no deployment {tag}; known are lab of .* \(id-aaaaaaaaaaaa\)"):
        chosen(tag, past(("lab", A)))


def test_without_any_deployment_that_is_said() -> None:
    with pytest.raises(ReleaseError, match="they know of none"):
        chosen("previous", [], [])


def test_digits_that_do_not_tell_images_apart_are_refused() -> None:
    other = A[:-1] + "f"
    for tag in ("id-", "id-aaaaa", "id-aaaaaaaa"):
        with pytest.raises(ReleaseError, match=rf"{tag} does not tell one image from others"):
            chosen(tag, past(("lab", A), ("lab", other)))
    assert chosen(f"id-{A.removeprefix('sha256:')}", past(("lab", A), ("lab", other))) == A


def test_machines_that_are_new_or_were_away_know_of_a_part_only() -> None:
    full = past(("lab", A), ("lab", B), ("lab", C))
    assert chosen("previous", full[2:], full, full[:2]) == B
    assert chosen("previous", full[1:], full[:1]) == B
    away = past(("v1", B), ("v2", C), ("v3", B), ("v4", C))
    later = [{**entry, "at": entry["at"] + 10} for entry in past(("v8", A), ("v9", B))]
    assert chosen("previous", later, away) == A


def begun(history: list[dict[str, Any]], image_id: str, asked: str) -> list[dict[str, Any]]:
    """What a machine remembers after an import."""
    latest = {"tag": "lab", "images": {"workers": image_id}, "under_way": asked}
    return remembered(history, latest, len(history))


def test_a_way_back_that_was_interrupted_is_repeated_as_it_was_given() -> None:
    ran = past(("lab", A), ("lab", B))
    back = begun(ran, A, "previous")
    assert chosen("previous", ran, back) == A
    assert chosen("previous", back, completed(back)) == A  # interrupted while it was written down
    assert chosen("previous", completed(back), completed(back)) == B


def test_what_never_came_to_its_end_is_nothing_that_ran() -> None:
    broken = begun(past(("lab", A)), B, "lab")
    assert chosen("previous", broken) == A
    back = begun(broken, A, "previous")
    assert chosen("previous", back) == A
    with pytest.raises(ReleaseError, match="no deployment previous"):
        chosen("previous", completed(back))


def test_a_deployment_that_is_repeated_comes_to_its_end_once() -> None:
    history = begun([], A, "lab")
    assert begun(history, A, "lab") == history
    assert begun(completed(history), A, "lab") == completed(history) == completed(completed(history))
    assert completed([]) == []


@pytest.mark.parametrize("playbook", ["site.yml", "playbooks/image.yml"])
def test_a_deployment_has_come_to_its_end_once_the_pods_are_rolled(playbook: str) -> None:
    plays = yaml.safe_load((CHECKOUT / playbook).read_text("utf-8"))
    names = [Path(play.get("ansible.builtin.import_playbook", "")).name for play in plays]
    assert names[names.index("app.yml") + 1] == "image_done.yml"


DEPLOYED = st.lists(st.tuples(st.sampled_from(["lab", "v1"]), st.sampled_from([A, B])))


@given(DEPLOYED)
def test_what_is_deployed_again_and_again_is_remembered_once(deployed: list[tuple[str, str]]) -> None:
    history: list[dict[str, Any]] = []
    for at, (tag, image_id) in enumerate(deployed):
        latest = {"tag": tag, "images": {"workers": image_id}}
        history = remembered(history, latest, at)
        assert history == remembered(history, latest, at + 1)
        assert history[-1]["tag"] == tag
    different = [entry for entry, before in zip(deployed, [None, *deployed], strict=False) if entry != before]
    kept = [(entry["tag"], entry["images"]["workers"]) for entry in history]
    assert kept[-REMEMBERED:] == different[-REMEMBERED:]


def test_what_is_remembered_survives_a_damaged_file(tmp_path: Any) -> None:
    state = State(str(tmp_path / "state"))
    assert state.deployments() == []
    state.remember(past(("lab", A)))
    assert state.deployments() == past(("lab", A))
    (tmp_path / "state/deployed.json").write_text("torn")
    assert state.deployments() == []


def test_a_name_is_remembered_however_much_is_deployed_after_it(tmp_path: Path) -> None:
    history: list[dict[str, Any]] = []
    for at, tag in enumerate(["v1", *["lab"] * 20, "v2", *["lab"] * 20]):
        history = remembered(history, {"tag": tag, "images": {"workers": f"sha256:{at:064}"}}, at)
    assert [past["tag"] for past in history] == ["v1", "v2", *["lab"] * REMEMBERED]
    assert chosen("v1", history) == f"sha256:{0:064}"
