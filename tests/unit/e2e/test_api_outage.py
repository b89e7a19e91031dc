"""How long the soak tests say that the API was away."""

from __future__ import annotations

import pytest

from tests.e2e.api_outage import Outages


@pytest.mark.parametrize(
    ("answered", "longest"),
    [
        ([11.0, 12.0, 15.0, 19.0], 4.0),
        ([14.0, 15.0, 16.0, 19.0], 4.0),
        ([11.0, 12.0], 8.0),
        ([], 10.0),
    ],
    ids=["between two answers", "before the first", "after the last", "never answered"],
)
def test_all_time_without_an_answer_counts(answered: list[float], longest: float) -> None:
    assert Outages(10.0, answered, 20.0).longest_s() == longest
