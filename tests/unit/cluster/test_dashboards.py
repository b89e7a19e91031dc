"""The dashboards and alert rules: as they are committed, and as Grafana wants them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from miner_cluster.dashboards.__main__ import BOARDS, texts
from miner_cluster.dashboards.alerts import rules
from miner_cluster.dashboards.parts import to_plain
from miner_cluster.grafana import DASHBOARDS


def test_what_is_committed_is_what_the_code_makes() -> None:
    made = texts()
    assert set(DASHBOARDS.glob("*")) <= set(made)
    for path, text in made.items():
        assert path.read_text("utf-8") == text, f"{path} is stale; run python -m miner_cluster.dashboards"


@pytest.fixture(params=BOARDS)
def board(request: pytest.FixtureRequest) -> Any:
    """Each dashboard in turn."""
    return to_plain(BOARDS[request.param]())


def test_panels_have_queries_and_names_and_numbers_of_their_own(board: Any) -> None:
    for key in ("id", "title"):
        values = [panel[key] for panel in board["panels"]]
        assert len(set(values)) == len(values), key
    for panel in board["panels"]:
        (target,) = panel["targets"]
        assert target.get("expr") or target.get("rawSql")
        assert target["datasource"] == panel["datasource"]


def test_panels_lie_beside_each_other_and_not_on_each_other(board: Any) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        cells = {(at["x"] + x, at["y"] + y) for x in range(at["w"]) for y in range(at["h"])}
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells


def test_rules_cover_what_an_operator_must_hear_of() -> None:
    (group,) = rules()["groups"]
    assert {rule["uid"].removeprefix("data-miner-") for rule in group["rules"]} == {
        "disk",
        "dead-letters",
        "stuck-queue",
        "certificate",
    }


def test_rules_hold_no_dollar_sign_that_grafana_would_replace() -> None:
    assert "$" not in json.dumps(rules())


def test_a_rule_compares_the_result_of_its_own_query() -> None:
    for rule in rules()["groups"][0]["rules"]:
        query, limit = rule["data"]
        assert rule["condition"] == limit["refId"] == limit["model"]["refId"]
        assert limit["model"]["expression"] == query["refId"] == query["model"]["refId"]
