"""The merge rule, and that provenance never lies."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from data_miner.config.merge import Layer, merge
from data_miner.config.source import parse_yaml
from data_miner.config.yaml_text import dump

keys = st.sampled_from("abc")
scalars = st.none() | st.integers(0, 9) | st.lists(st.integers(0, 3), max_size=2)
maps = st.recursive(
    st.dictionaries(keys, scalars, max_size=3),
    lambda inner: st.dictionaries(keys, inner | scalars, max_size=3),
    max_leaves=6,
)


def layer(name: str, data: dict[str, Any]) -> Layer:
    return Layer(name=name, data=data)


def without_nulls(data: dict[str, Any]) -> dict[str, Any]:
    return {
        key: without_nulls(value) if isinstance(value, dict) else value
        for key, value in data.items()
        if value is not None
    }


def look_up(data: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


@given(maps)
def test_one_layer_is_itself_without_its_nulls(data: dict[str, Any]) -> None:
    assert merge(layer("a", data)).data == without_nulls(data)


@given(maps, maps)
def test_merging_the_same_layer_again_changes_nothing(base: dict[str, Any], top: dict[str, Any]) -> None:
    once, twice = (
        merge(layer("a", base), layer("b", top)),
        merge(layer("a", base), layer("b", top), layer("b", top)),
    )
    assert twice.data == once.data


@given(maps, maps, maps)
def test_merging_step_by_step_equals_merging_at_once(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    stepwise = merge(layer("x", merge(layer("a", first), layer("b", second)).data), layer("c", third))
    assert stepwise.data == merge(layer("a", first), layer("b", second), layer("c", third)).data


@given(maps, maps)
def test_scalars_and_lists_of_the_top_layer_win(base: dict[str, Any], top: dict[str, Any]) -> None:
    merged = merge(layer("a", base), layer("b", top)).data

    def check(expected: dict[str, Any], found: dict[str, Any]) -> None:
        for key, value in expected.items():
            if value is None:
                assert key not in found
            elif isinstance(value, dict):
                check(value, found[key])
            else:
                assert found[key] == value

    check(top, merged)


@given(maps, maps, maps)
def test_provenance_names_a_layer_that_really_set_the_value(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    layers = {"a": first, "b": second, "c": third}
    merged = merge(*(layer(name, data) for name, data in layers.items()))
    paths: set[tuple[str | int, ...]] = set()

    def walk(value: Any, path: tuple[str | int, ...]) -> None:
        pairs = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, inner in pairs:
            paths.add((*path, key))
            walk(inner, (*path, key))

    walk(merged.data, ())
    assert set(merged.provenance) == paths
    for path, origin in merged.provenance.items():
        value = look_up(merged.data, path)
        source = look_up(layers[origin.layer], path)
        assert isinstance(source, dict) if isinstance(value, dict) else source == value


#: layers that agree on what is a mapping and remove nothing
agreeing = st.dictionaries(
    keys,
    st.integers(0, 9) | st.lists(st.integers(0, 3), max_size=2),
    max_size=3,
).flatmap(
    lambda flat: st.dictionaries(st.sampled_from("xyz"), st.just(flat), max_size=2).map(
        lambda nested: {**flat, **nested}
    )
)


@given(agreeing, agreeing, agreeing)
def test_merging_is_associative_for_layers_that_agree_on_what_is_a_mapping(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    left = merge(layer("l", merge(layer("a", first), layer("b", second)).data), layer("c", third))
    right = merge(layer("a", first), layer("r", merge(layer("b", second), layer("c", third)).data))
    assert left.data == right.data


@given(maps)
def test_an_empty_layer_changes_nothing_on_either_side(data: dict[str, Any]) -> None:
    alone = merge(layer("a", data))
    assert merge(layer("none", {}), layer("a", data)) == alone
    assert merge(layer("a", data), layer("none", {})) == alone


@given(maps, maps, st.randoms(use_true_random=False))
def test_the_order_of_keys_changes_no_byte_of_the_output(
    base: dict[str, Any], top: dict[str, Any], random: Random
) -> None:
    def shuffled(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        items = [(key, shuffled(item)) for key, item in value.items()]
        random.shuffle(items)
        return dict(items)

    text = dump(merge(layer("a", base), layer("b", top)).data, sort_keys=True)
    again = merge(layer("a", shuffled(base)), layer("b", shuffled(top)))
    assert dump(again.data, sort_keys=True) == text


@given(maps, maps, maps)
def test_history_holds_every_value_that_a_stronger_layer_replaced(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any]
) -> None:
    layers = {"a": first, "b": second, "c": third}
    merged = merge(*(layer(name, data) for name, data in layers.items()))
    for path, history in merged.overridden.items():
        names = [old.origin.layer for old in history]
        assert names == sorted(names)
        last = merged.removed.get(path) or merged.provenance[path]
        assert names[-1] < last.layer
    for key in first.keys() & second.keys() - third.keys():
        if not isinstance(first[key], dict) and first[key] is not None and not isinstance(second[key], dict):
            assert [old.value for old in merged.overridden[key,]] == [first[key]]


@given(maps, maps)
def test_layers_are_not_touched_and_not_shared(base: dict[str, Any], top: dict[str, Any]) -> None:
    before = yaml.safe_dump([base, top])
    merged = merge(layer("a", base), layer("b", top)).data

    def wreck(value: Any) -> None:
        for inner in list(value.values()) if isinstance(value, dict) else list(value):
            if isinstance(inner, (dict, list)):
                wreck(inner)
        value.clear()

    wreck(merged)
    assert yaml.safe_dump([base, top]) == before


def test_history_goes_back_to_the_first_layer_and_forgets_a_removal_that_was_undone() -> None:
    layers = [layer(name, {"a": value}) for name, value in zip("pqrst", [1, 2, None, None, 3], strict=True)]
    merged = merge(*layers)
    assert [(old.value, old.origin.layer) for old in merged.overridden["a",]] == [(1, "p"), (2, "q")]
    assert not merged.removed
    assert merge(*layers[:4]).removed["a",].layer == "s"


def test_origin_names_file_and_line_of_the_layer_that_set_the_key() -> None:
    base = Layer.from_source("defaults", parse_yaml("d:\n  a: 1\n  b: 2\n", Path("d.yaml")))
    run = Layer.from_source("run config", parse_yaml("x: 1\nd:\n  b: 3\n  a: null\n", Path("r.yaml")))
    merged = merge(base, run)
    assert merged.data == {"d": {"b": 3}, "x": 1}
    assert str(merged.provenance["d", "b"]) == "run config (r.yaml:3)"
    assert str(merged.removed["d", "a"]) == "run config (r.yaml:4)"
