"""Which version of k3s may follow which, told with what to do where one may not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.k3s_version import KUBELET_BEHIND, Running, minor, newer, problems

WANTED = "v1.32.2+k3s1"


def server(version: str, name: str = "s1") -> Running:
    return Running(name=name, server=True, version=version)


def agent(version: str, name: str = "a1") -> Running:
    return Running(name=name, server=False, version=version)


def reasons(*nodes: Running, wanted: str = WANTED, within: tuple[str, ...] | None = None) -> str:
    names = within if within is not None else tuple(node.name for node in nodes)
    return "\n".join(problems(nodes, wanted, within=names))


@pytest.mark.parametrize(
    "nodes",
    [
        (server("v1.31.0+k3s1"), agent("v1.31.0+k3s1")),
        (server(WANTED), agent("v1.31.0+k3s1")),
        (server(WANTED), server("v1.31.9+k3s2", "s2"), agent("v1.29.1+k3s1")),
        (server("v1.32.5+k3s1"), agent("v1.32.5+k3s1")),
        (server(WANTED), agent(WANTED)),
    ],
    ids=["a minor", "interrupted", "an agent far behind", "a patch back", "nothing to do"],
)
def test_a_step_that_kubernetes_allows_has_no_reasons_against_it(nodes: tuple[Running, ...]) -> None:
    assert reasons(*nodes) == ""


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (
            (server("v1.30.4+k3s1"), server("v1.31.0+k3s1", "s2")),
            ["s1 runs v1.30.4+k3s1, and servers", "cluster.k3s_version to a release of v1.31 first"],
        ),
        (
            (server("v1.33.0+k3s1"), agent("v1.33.0+k3s1")),
            ["s1, a1 run v1.33.0+k3s1", "does not go back", "a release of v1.33"],
        ),
        (
            (server("v1.31.0+k3s1"), agent("v1.28.0+k3s1")),
            ["a1 runs v1.28.0+k3s1, and nodes may be older than servers by 3", "a release of v1.31 first"],
        ),
        ((server("v0.9.0"),), ["s1 runs v0.9.0, and servers"]),
        ((server("v2.0.0+k3s1"),), ["does not go back"]),
        ((server("1.31"),), ["s1 runs '1.31', which is no version of k3s"]),
    ],
    ids=["skips one", "goes back", "agent too old", "another major", "back by a major", "no version"],
)
def test_a_step_that_it_does_not_allow_is_told_with_what_to_do(
    nodes: tuple[Running, ...], words: list[str]
) -> None:
    text = reasons(*nodes)
    assert all(word in text for word in words), text


def test_agents_are_not_brought_past_a_server_that_a_limited_run_leaves_out() -> None:
    nodes = server(WANTED), server("v1.31.0+k3s1", "s2"), agent("v1.31.0+k3s1")
    assert "take s2 into --limit too" in reasons(*nodes, within=("s1", "a1"))
    assert reasons(*nodes, within=("s1", "s2")) == ""
    # A patch of the same minor is as good as the same version.
    patch = server(WANTED), server("v1.32.0+k3s1", "s2"), agent("v1.31.0+k3s1")
    assert reasons(*patch, within=("s1", "a1")) == ""


@given(st.integers(0, 60), st.integers(0, 60), st.integers(0, 60))
def test_what_is_allowed_never_breaks_the_rules_on_the_way(old: int, behind: int, new: int) -> None:
    nodes = server(f"v1.{old}.0+k3s1"), agent(f"v1.{behind}.0+k3s1")
    if reasons(*nodes, wanted=f"v1.{new}.7+k3s1"):
        return
    assert new - 1 <= old <= new
    # The servers are there first: until its turn comes the agent is with both.
    assert new - KUBELET_BEHIND <= behind <= new


def test_a_version_without_numbers_is_an_error() -> None:
    assert minor("v1.31.0+k3s1") == (1, 31)
    assert minor("v1.31.0-rc1+k3s1") == (1, 31)
    with pytest.raises(ValueError, match=r"'latest' is no version such as v1\.31\.0\+k3s1"):
        minor("latest")


@pytest.mark.parametrize("version", ["v1.32.3+k3s1", "v1.32.2+k3s2", "v1.32.10+k3s1"])
def test_a_later_patch_is_named_as_what_is_gone_back_from(version: str) -> None:
    assert (
        newer([server(version), agent("v1.31.9+k3s1"), agent(WANTED, "a2")], WANTED) == f"s1 runs {version}"
    )
    assert newer([agent("v1.32.1+k3s9")], WANTED) == ""


def test_a_candidate_comes_before_its_release_and_after_the_one_before() -> None:
    later = ["v1.32.1+k3s1", "v1.32.2-alpha2+k3s1", "v1.32.2-rc4+k3s1", "v1.32.2-rc10+k3s1", WANTED]
    for at, version in enumerate(later):
        assert [bool(newer([server(version)], wanted)) for wanted in later] == [
            n < at for n in range(len(later))
        ]
