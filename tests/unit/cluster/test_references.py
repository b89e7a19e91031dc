"""References between values of cluster_config.yaml."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.references import resolve

names = st.text("abcdef", min_size=1, max_size=4)
leaves = st.one_of(st.integers(), st.booleans(), st.text("xyz /", max_size=5), st.none())
plain = st.dictionaries(names, st.one_of(leaves, st.dictionaries(names, leaves, max_size=4)), max_size=5)


@given(plain)
def test_data_without_references_stays_as_it_is(data: dict[str, Any]) -> None:
    assert resolve(data) == (data, {})


@given(plain, names, st.one_of(st.integers(), st.text("xyz", min_size=1)))
def test_a_value_that_is_one_reference_becomes_what_it_refers_to(
    data: dict[str, Any], name: str, value: int | str
) -> None:
    data = {**data, "target": {name: value}, "ref": f"${{target.{name}}}"}
    resolved, problems = resolve(data)
    assert not problems
    assert resolved["ref"] == value
    assert type(resolved["ref"]) is type(value)


@given(st.dictionaries(names, st.lists(names, max_size=3), min_size=1, max_size=6))
def test_any_web_of_references_ends_in_values_or_problems(web: dict[str, list[str]]) -> None:
    data = {name: "x" + "".join(f"${{{other}}}" for other in others) for name, others in web.items()}
    resolved, problems = resolve(data)
    for name, value in resolved.items():
        assert ("${" in value) == ((name,) in problems)


def test_a_reference_follows_another_one() -> None:
    data = {"a": "${b}/c", "b": "${d.e}/f", "d": {"e": "/root"}}
    assert resolve(data)[0]["a"] == "/root/f/c"


def test_references_in_lists_and_maps_are_resolved() -> None:
    data = {"lab": {"ip": "192.0.2.2"}, "x": {"sites": ["http://${lab.ip}:80"]}}
    assert resolve(data)[0]["x"] == {"sites": ["http://192.0.2.2:80"]}


def test_a_key_that_is_left_out_refers_to_its_default() -> None:
    resolved, problems = resolve({"a": "${storage.x}/y"}, default=lambda path: f"/{'-'.join(path)}")
    assert (resolved["a"], problems) == ("/storage-x/y", {})


@pytest.mark.parametrize(
    ("data", "word"),
    [
        ({"a": "${b}"}, "not in this file"),
        ({"a": "${a}"}, "refers to itself"),
        ({"a": "${b}", "b": "x${a}"}, "refers to itself: a → b → a"),
        ({"a": {"x": "${a}"}}, "refers to itself"),
        ({"a": "x${b}", "b": {"c": 1}}, "no single value"),
        ({"a": "x${b}", "b": True}, "no single value"),
        ({"a": "${b", "b": 1}, "has no end"),
        ({"a": "x${}", "b": 1}, "not in this file"),
    ],
)
def test_a_reference_that_leads_nowhere_is_explained(data: dict[str, Any], word: str) -> None:
    _, problems = resolve(data)
    assert any(word in str(problem) for problem in problems.values())


def test_values_that_multiply_are_stopped() -> None:
    data = {"a0": "xxxxxxxxxx"} | {f"a{n}": f"${{a{n - 1}}}" * 10 for n in range(1, 12)}
    _, problems = resolve(data)
    assert "too many references" in str(problems["a11",])


def test_a_chain_without_end_is_stopped() -> None:
    data = {"a0": "x"} | {f"a{n}": f"${{a{n - 1}}}" for n in range(1, 2000)}
    _, problems = resolve(data)
    assert "too many references" in str(problems["a1999",])
