"""The picture of what preflight saw."""

from __future__ import annotations

import json

from miner_cluster.cluster import Cluster
from miner_cluster.preflight import Trouble, away_trouble
from miner_cluster.preflight_report import build, report_text
from tests.unit.preflight.conftest import Look


def test_every_machine_has_a_row_also_one_that_does_not_answer(cluster: Cluster, facts: Look) -> None:
    away = {"lab-agent-1": "no answer in 5 s"}
    problems = [
        away_trouble(cluster, "lab-agent-1", away["lab-agent-1"]),
        Trouble(where="lab-agent-2", found="one thing", remedy="do"),
        Trouble(where="lab-agent-2", found="and another", remedy="do"),
    ]
    found = {name: facts() for name in ("lab-server", "lab-agent-2")}
    report = build(cluster, list(cluster.nodes), facts=found, away=away, problems=problems, warnings=[])
    head, *rows = report_text(report).splitlines()
    assert head.split()[0] == "machine"
    assert rows[0].startswith("lab-server")
    assert rows[0].endswith("ok")
    assert "chrony" in rows[0]
    assert "8.0 GiB" in rows[0]
    assert rows[1].startswith("lab-agent-1")
    assert rows[1].endswith("does not answer")
    assert rows[2].endswith("2 problems")


def test_programs_get_everything(cluster: Cluster, facts: Look) -> None:
    warning = Trouble(where="lab-server", found="f", remedy="r")
    report = build(
        cluster, ["lab-server"], facts={"lab-server": facts()}, away={}, problems=[], warnings=[warning]
    )
    parsed = json.loads(json.dumps(report))
    assert [machine["name"] for machine in parsed["machines"]] == ["lab-server"]
    assert parsed["machines"][0]["state"] == "ok"
    assert parsed["warnings"] == [{"where": "lab-server", "found": "f", "remedy": "r"}]
    assert "warnings:\nlab-server  f" in report_text(report)
