"""Quantities and ranges of resource presets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.quantities import (
    cpu_as_the_server_writes,
    memory_as_the_server_writes,
    memory_bytes,
    millicores,
    resources,
    split_range,
)

UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "k": 10**3, "M": 10**6, "G": 10**9}


@given(st.integers(1, 10**6))
def test_millicores_are_read_as_written(value: int) -> None:
    assert millicores(f"{value}m") == value


@given(st.integers(0, 500), st.integers(1, 999))
def test_cores_with_a_fraction_equal_their_millicores(cores: int, thousandths: int) -> None:
    assert millicores(f"{cores}.{thousandths:03}") == cores * 1000 + thousandths


@given(st.integers(1, 10**6), st.sampled_from(sorted(UNITS)))
def test_memory_is_number_times_unit(value: int, unit: str) -> None:
    assert memory_bytes(f"{value}{unit}") == value * UNITS[unit]


@pytest.mark.parametrize(
    ("written", "kept"),
    [("1000m", "1"), ("1.0", "1"), ("0.5", "500m"), ("1.25", "1250m"), ("250m", "250m"), ("02", "2")],
)
def test_cores_are_written_as_the_server_does(written: str, kept: str) -> None:
    assert cpu_as_the_server_writes(written) == kept


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("2048Gi", "2Ti"),
        ("1000M", "1G"),
        ("1024M", "1024M"),
        ("1k", "1k"),
    ],
)
def test_memory_is_written_as_the_server_does(written: str, kept: str) -> None:
    assert memory_as_the_server_writes(written) == kept


@given(st.integers(1, 10**6), st.sampled_from(sorted(UNITS)))
def test_memory_is_as_much_however_it_is_written(value: int, unit: str) -> None:
    assert memory_bytes(memory_as_the_server_writes(f"{value}{unit}")) == value * UNITS[unit]


@given(st.integers(1, 10**5), st.integers(1, 10**5))
def test_a_range_is_split_only_when_the_request_does_not_exceed_the_limit(request: int, limit: int) -> None:
    text = f"{request}m-{limit}m"
    if request <= limit:
        assert split_range(text, millicores) == (f"{request}m", f"{limit}m")
    else:
        with pytest.raises(ValueError, match="above the limit"):
            split_range(text, millicores)


@given(st.text(max_size=12))
def test_any_text_is_a_range_or_refused_in_words(text: str) -> None:
    for size in (millicores, memory_bytes):
        try:
            request, limit = split_range(text, size)
        except ValueError as error:
            assert str(error)  # noqa: PT017 - both outcomes are right
        else:
            assert 0 < size(request) <= size(limit)


@pytest.mark.parametrize("text", ["250m-", "-1000m", "1 CPU", "", "0m-1m", "1.5m", "500Mi", "1-2-3", "1,5"])
def test_a_wrong_cpu_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        split_range(text, millicores)


@pytest.mark.parametrize("text", ["512", "2Gi-512Mi", "1gb", "0Mi", "-1Gi", "1Gi-", "1.5Gi"])
def test_a_wrong_memory_range_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        split_range(text, memory_bytes)


def test_one_quantity_is_request_and_limit() -> None:
    both = {"cpu": "500m", "memory": "1Gi", "ephemeral-storage": "2Gi"}
    assert resources("500m", "1Gi", "2Gi") == {"requests": both, "limits": both}
