"""Which deployment is meant by -e image_tag, and what machines remember of deployments."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.images.releases import ReleaseError, choose
from module_utils.node_images.state import REMEMBERED, State, remembered

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
    assert chosen("v3", history) is None


def test_the_moving_tag_means_the_sources() -> None:
    assert chosen("lab", past(("lab", A), ("lab", B))) is None


def test_an_id_means_what_has_it() -> None:
    assert chosen("id-aaa", past(("lab", A), ("lab", B))) == A


@pytest.mark.parametrize("tag", ["previous", "id-ccc"])
def test_what_was_never_deployed_is_refused_with_what_was(tag: str) -> None:
    with pytest.raises(ReleaseError, match=rf"no deployment {tag}; known are lab of .* \(id-aaaaaaaaaaaa\)"):
        chosen(tag, past(("lab", A)))


def test_without_any_deployment_that_is_said() -> None:
    with pytest.raises(ReleaseError, match="they know of none"):
        chosen("previous", [], [])


def test_machines_that_are_new_or_were_away_do_not_count() -> None:
    full = past(("lab", A), ("lab", B), ("lab", C))
    assert chosen("previous", full[2:], full, full[:2]) == B


DEPLOYED = st.lists(st.tuples(st.sampled_from(["lab", "v1"]), st.sampled_from([A, B])))


@given(DEPLOYED)
def test_what_is_deployed_again_and_again_is_remembered_once(deployed: list[tuple[str, str]]) -> None:
    history: list[dict[str, Any]] = []
    for at, (tag, image_id) in enumerate(deployed):
        latest = {"tag": tag, "images": {"workers": image_id}}
        history = remembered(history, latest, at)
        assert history == remembered(history, latest, at + 1)
        assert history[-1]["tag"] == tag
        assert len(history) <= REMEMBERED
    different = [entry for entry, before in zip(deployed, [None, *deployed], strict=False) if entry != before]
    assert [(entry["tag"], entry["images"]["workers"]) for entry in history] == different[-REMEMBERED:]


def test_what_is_remembered_survives_a_damaged_file(tmp_path: Any) -> None:
    state = State(str(tmp_path / "state"))
    assert state.deployments() == []
    state.remember(past(("lab", A)))
    assert state.deployments() == past(("lab", A))
    (tmp_path / "state/deployed.json").write_text("torn")
    assert state.deployments() == []
