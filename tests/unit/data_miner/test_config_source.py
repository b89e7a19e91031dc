"""Reading YAML: marks are right, and every kind of bad file is one clear error."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from data_miner.config.source import Mark, Source, dotted, load_yaml, parse_yaml
from data_miner.config.yaml_text import dump
from data_miner.errors import ConfigError, Problem

keys = st.text(alphabet="abcdefgh_", min_size=1, max_size=4)
scalars = st.booleans() | st.integers(-1000, 1000) | st.text(alphabet="xyz -:#", max_size=6) | st.none()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


def parse(text: str) -> Source:
    return parse_yaml(text, Path("f.yaml"))


def only_problem(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert len(caught.value.problems) == 1
    return str(caught.value)


@given(st.dictionaries(keys, values, min_size=1, max_size=4))
def test_reads_back_what_was_written(data: dict[str, object]) -> None:
    assert parse(yaml.safe_dump(data)).data == data


@given(st.dictionaries(keys, values, min_size=1, max_size=4))
def test_every_key_and_item_has_a_mark(data: dict[str, object]) -> None:
    def paths(value: object, path: tuple[str | int, ...]) -> set[tuple[str | int, ...]]:
        found: set[tuple[str | int, ...]] = set()
        pairs = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, inner in pairs:
            found |= {(*path, key)} | paths(inner, (*path, key))
        return found

    assert set(parse(yaml.safe_dump(data)).marks) == paths(data, ())


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused_in_words(text: str) -> None:
    problems: list[Problem] = []
    try:
        parse(text)
    except ConfigError as error:
        problems = error.problems or [Problem(file="", message="")]
    assert all(problem.file == "f.yaml" and problem.message for problem in problems)


def test_mark_names_the_line_of_the_key() -> None:
    source = parse("a: 1\nb:\n  c:\n    - x\n    - y\n")
    assert source.marks["b", "c"] == Mark(file="f.yaml", line=3, column=3)
    assert source.marks["b", "c", 1].line == 5


plain_texts = st.sampled_from(
    [
        "1e3",
        "12e5",
        "010",
        "1:30",
        "1_000",
        "0x10",
        "no",
        "~",
        "=",
        "<<",
        "2026-02-14",
        "",
        "- a",
        ".inf",
        "\xa0",
    ]
)


@given(
    st.lists(plain_texts | st.text(max_size=8).filter(str.isprintable), max_size=4),
    st.floats(allow_nan=False),
)
def test_what_is_dumped_reads_back_the_same(texts: list[str], number: float) -> None:
    data = {"texts": texts, "number": number, **dict.fromkeys(texts, 1)}
    assert parse(dump(data)).data == data


def test_of_several_merged_mappings_the_first_one_wins() -> None:
    assert parse("a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}\n").data["c"] == {
        "x": 1,
        "y": 3,
        "z": 2,
    }


def test_a_number_in_another_base_is_named_with_its_key() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("a: {port: 010}\nb: [1:30]\n")
    assert [(problem.key, problem.line) for problem in caught.value.problems] == [("a.port", 1), ("b[0]", 2)]


def test_merge_keys_are_flattened_and_own_keys_win() -> None:
    source = parse("base: &b {x: {u: 1}, y: 2}\nmine:\n  <<: *b\n  x: 3\n")
    assert source.data["mine"] == {"x": 3, "y": 2}
    assert source.marks["mine", "x"].line == 4
    assert ("mine", "x", "u") not in source.marks


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\na: 2\n", "f.yaml:2:1: a: given twice, first on line 1; keep one of them"),
        ("x:\n  a: 1\n  b: 2\n  a: 3\n", "f.yaml:4:3: x.a: given twice, first on line 2"),
        ("a:\n\tb: 1\n", "f.yaml:2:1: a tab is used to indent; indent with spaces"),
        ("\ufeffa: 1\n", "f.yaml:1:1: the file starts with a byte order mark"),
        ("- a\n", "f.yaml:1:1: the file holds a list; write a mapping"),
        ("", "f.yaml:1:1: the file is empty"),
        ("# only a comment\n", "f.yaml:1:1: the file is empty"),
        ("a: [1\nb: 2\n", "f.yaml:2:2: not valid YAML"),
        ("on: 1\n", "f.yaml:1:1: the key `on` is read as a true/false value; quote it: 'on'"),
        ("a: &x [*x]\n", "an alias contains itself"),
        ("a: 1\n---\nb: 2\n", "f.yaml:2:1: not valid YAML: expected a single document"),
        ('a: "x\\ud83d\\ude00"\n', "f.yaml:1:4: a: an escape stands for half a character"),
        ("a: \x00\n", "f.yaml:1:4: character '\\x00'"),
        ("a: " + "[" * 3000, "nested too deeply"),
        ("a: !!python/object:os.system x\n", "f.yaml:1:4: not valid YAML"),
    ],
)
def test_bad_text_is_one_message_with_its_place(text: str, expected: str) -> None:
    assert expected in only_problem(text)


def test_all_duplicates_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        parse("a: 1\na: 2\nb: 1\nb: 2\n")
    assert [problem.line for problem in caught.value.problems] == [2, 4]


@pytest.mark.parametrize(("text", "value"), [("1e-3", 0.001), ("2026-02-14", "2026-02-14"), ("1.5", 1.5)])
def test_scalars_mean_what_they_look_like(text: str, value: object) -> None:
    assert parse(f"a: {text}\n").data["a"] == value


def test_missing_unreadable_and_binary_files_are_named(tmp_path: Path) -> None:
    binary = tmp_path / "b.yaml"
    binary.write_bytes(b"a: 1\nb: \xff\n")
    for path, expected in [
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path, "cannot be read: Is a directory"),
        (binary, ":2:4: not UTF-8 text"),
    ]:
        with pytest.raises(ConfigError, match=expected) as caught:
            load_yaml(path)
        assert str(caught.value).startswith(str(path))


def test_paths_are_written_as_people_type_them() -> None:
    assert dotted(("nodes", "a", "labels", 0, "b")) == "nodes.a.labels[0].b"
