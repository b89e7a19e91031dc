"""The program that stands in for Grafana: what it reads, when it is healthy, what it shows and to whom."""

from __future__ import annotations

import base64
import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab.grafana_checker.__main__ import allowed, health
from lab.grafana_checker.check import Report, run
from lab.grafana_checker.page import render
from lab.grafana_checker.provisioning import DataSource, Provisioned, Query, expand, load
from lab.grafana_checker.sources import QueryError, Result, macros
from miner_cluster import grafana

ENVIRONMENT = {grafana.READER_PASSWORD: "opensesame"}
VALUE = Result(columns=["items"], rows=[[3]], series={})
NOTHING = Result(columns=["items"], rows=[], series={})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The provisioning files as the cluster deploys them."""
    provider = grafana.dashboard_provider()
    provider["providers"][0]["options"]["path"] = str(grafana.DASHBOARDS)
    sources = grafana.datasources(loki_url="http://loki:3100", postgres_address="db:5432", database="data")
    files = {
        "datasources/datasources.yaml": yaml.safe_dump(sources),
        "dashboards/dashboards.yaml": yaml.safe_dump(provider),
        "alerting/alerts.json": grafana.ALERTS.read_text(),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def change_sources(directory: Path, **changes: Any) -> None:
    path = directory / "datasources" / "datasources.yaml"
    content = yaml.safe_load(path.read_text())
    content["datasources"][0].update(changes)
    path.write_text(yaml.safe_dump(content))


def answer_with(result: Result) -> Any:
    return lambda *_: result


def query(**changes: Any) -> Query:
    values: dict[str, Any] = {
        "board": "Board",
        "title": "Panel",
        "source": "loki",
        "shape": "stat",
        "model": {"expr": '{a="<b>"}'},
        "look_back_s": 60,
    }
    return Query(**values | changes)


def one(*queries: Query) -> Provisioned:
    source = DataSource(uid="loki", kind="loki", url="http://loki:3100")
    return Provisioned(sources={"loki": source}, queries=list(queries), problems=[])


def test_it_finds_every_panel_and_every_rule(directory: Path) -> None:
    found = load(directory, ENVIRONMENT)
    assert found.problems == []
    panels = sum(len(json.loads(path.read_text())["panels"]) for path in grafana.DASHBOARDS.glob("*.json"))
    rules = [rule for group in json.loads(grafana.ALERTS.read_text())["groups"] for rule in group["rules"]]
    assert len(found.queries) == panels + len(rules)
    postgres = found.sources["postgres"]
    assert postgres.password == ENVIRONMENT[grafana.READER_PASSWORD]
    assert postgres.password not in repr(postgres)


@pytest.mark.parametrize("url", ["", None])
def test_a_data_source_without_a_url_is_a_problem(directory: Path, url: str | None) -> None:
    change_sources(directory, url=url)
    assert load(directory, ENVIRONMENT).problems == ["datasources.yaml: the data source Loki has no URL"]


def test_a_panel_whose_data_source_is_missing_is_a_problem(directory: Path) -> None:
    change_sources(directory, uid="other")
    problems = load(directory, ENVIRONMENT).problems
    assert "Pipeline, All logs: there is no data source 'loki'" in problems


def test_a_password_that_is_missing_in_the_environment_is_a_problem(directory: Path) -> None:
    assert load(directory, {}).problems == [
        "datasources.yaml: the data source Postgres has an empty password"
    ]


def test_nothing_to_show_is_a_problem(tmp_path: Path) -> None:
    assert load(tmp_path, ENVIRONMENT).problems == [f"{tmp_path}: no dashboard has a query"]


def test_variables_are_put_in_as_grafana_does() -> None:
    environment = {"A": "1"}
    assert expand({"x": ["$A-${A}", "$$A", "$UNSET|", 5]}, environment) == {"x": ["1-1", "$A", "|", 5]}


def test_it_is_healthy_when_every_query_gives_something(directory: Path) -> None:
    report = run(load(directory, ENVIRONMENT), answer_with(VALUE))
    status, body = health(report)
    assert (status, body["database"], body["failures"]) == (HTTPStatus.OK, "ok", [])
    assert body["queries"] == len(report.outcomes)


def test_an_empty_result_fails_and_is_named() -> None:
    status, body = health(run(one(query()), answer_with(NOTHING)))
    assert status == HTTPStatus.SERVICE_UNAVAILABLE
    assert body["message"] == "Board, Panel: the result is empty"


def test_many_failures_are_summed_up() -> None:
    queries = [query(title=f"P{number}") for number in range(5)]
    _, body = health(run(one(*queries), answer_with(NOTHING)))
    assert body["message"].endswith("Board, P2: the result is empty; and 2 more")
    assert len(body["failures"]) == 5


def test_the_home_dashboard_comes_first(directory: Path) -> None:
    home = {"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH": str(grafana.DASHBOARDS / "storage.json")}
    boards = [one.board for one in load(directory, ENVIRONMENT | home).queries]
    assert boards[0] == "Storage"
    assert set(boards) == {"Storage", "Errors", "Pipeline", "Workers", "Alert rules"}


def test_missing_values_alone_are_an_empty_result() -> None:
    report = run(one(query()), answer_with(Result(columns=["a"], rows=[[None]], series={})))
    assert report.failures == ["Board, Panel: the result is empty"]


def test_an_empty_result_is_fine_where_the_panel_says_what_it_means() -> None:
    status, body = health(run(one(query(empty="no errors")), answer_with(NOTHING)))
    assert status == HTTPStatus.OK
    assert body["empty"] == ["Board, Panel"]


def test_a_query_that_fails_is_named_with_its_reason() -> None:
    def refuse(source: DataSource, query: Query) -> Result:
        raise QueryError("HTTP 400: parse error")

    report = run(one(query(empty="no errors")), refuse)
    assert report.failures == ["Board, Panel: HTTP 400: parse error"]
    assert "HTTP 400: parse error" in render(report)


def test_before_the_first_run_it_is_not_healthy() -> None:
    assert health(None)[0] == HTTPStatus.SERVICE_UNAVAILABLE
    assert "first run" in render(None)


@pytest.mark.parametrize(("limit", "fires"), [(("gt", 2.0), True), (("gt", 3.0), False), (("lt", 4.0), True)])
def test_it_says_whether_a_rule_would_fire(limit: tuple[str, float], fires: bool) -> None:
    report = run(one(query(shape="alert", limit=limit)), answer_with(VALUE))
    assert report.outcomes[0].firing is fires
    assert ("would fire" in render(report)) is fires


@pytest.mark.parametrize(
    ("shape", "result", "words"),
    [
        ("stat", VALUE, ">3<"),
        ("table", Result(columns=["error"], rows=[["<script>"]], series={}), "&lt;script&gt;"),
        ("logs", Result(columns=["time", "line"], rows=[["now", "text"]], series={}), "text"),
        (
            "logs",
            Result(columns=["time", "line"], rows=[["now", '{"key": "<b>"}']], series={}),
            "key=&lt;b&gt;",
        ),
        ("timeseries", Result(columns=[], rows=[], series={"x": [(0.0, 1.0)]}), "<svg"),
    ],
)
def test_the_page_shows_each_kind_of_result_and_never_as_html(shape: str, result: Result, words: str) -> None:
    page = render(run(one(query(shape=shape)), answer_with(result)))
    assert words in page
    assert "<script>" not in page
    assert "&lt;b&gt;" in page
    assert "This is not Grafana" in page


def test_macros_become_sql() -> None:
    text = "SELECT $__timeGroupAlias(at, '5m') FROM t WHERE $__timeFilter(at)"
    assert macros(text, 0, 60) == (
        'SELECT floor(extract(epoch FROM at) / 300) * 300 AS "time" FROM t WHERE '
        "at BETWEEN '1970-01-01T00:00:00.000+00:00' AND '1970-01-01T00:01:00.000+00:00'"
    )


@pytest.mark.parametrize("text", ["SELECT $__unixEpochFrom()", "SELECT $__interval"])
def test_a_macro_that_is_not_known_fails_the_query(text: str) -> None:
    with pytest.raises(QueryError, match="not known here"):
        macros(text, 0, 60)


@pytest.mark.parametrize(
    ("header", "fine"),
    [
        (f"Basic {base64.b64encode(b'admin:right').decode()}", True),
        (f"Basic {base64.b64encode(b'admin:wrong').decode()}", False),
        (f"Bearer {base64.b64encode(b'admin:right').decode()}", False),
        ("Basic not-base64", False),
        (None, False),
    ],
)
def test_the_page_is_for_the_administrator(header: str | None, fine: bool) -> None:
    assert allowed(header, "admin", "right") is fine


def test_what_a_report_shows_is_dated() -> None:
    assert "1970-01-01 00:00:00 UTC" in render(Report(at_s=0, outcomes=[], problems=[]))
