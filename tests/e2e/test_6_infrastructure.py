"""Loki, Grafana's stand-in and Adminer on the lab, as people and workers use them."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from http.cookiejar import CookieJar
from typing import Any

import pytest

from tests.e2e.lab import Lab, wait_for

NAMESPACE = "data-miner"
LOKI = f"/api/v1/namespaces/{NAMESPACE}/services/loki:loki/proxy/loki/api/v1/query_range"
#: logs a line of a severity from the monitor's pod, as workers do
LOG = """
import os
from data_miner.config.model import LoggingConfig
from data_miner.logs import set_up_logging
import logging
config = LoggingConfig(level="INFO", loki_batch_size=1, loki_queue_size=10, loki_timeout_s=5)
handler = set_up_logging(config, worker="test", loki_url=os.environ["LOKI_URL"])
logging.getLogger("data_miner.test").{severity}("{message}")
handler.close()
assert handler.sent == 1, handler.dropped
"""


def opener() -> urllib.request.OpenerDirector:
    """Returns what keeps cookies and goes through no proxy."""
    return urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(CookieJar())
    )


def secret(lab: Lab, name: str, key: str) -> str:
    return base64.b64decode(lab.get("secret", name, "-n", NAMESPACE)["data"][key]).decode()


def log(lab: Lab, severity: str, message: str) -> None:
    program = LOG.format(severity=severity, message=message)
    lab.kubectl("exec", "-n", NAMESPACE, "deploy/monitor-worker", "--", "python", "-c", program)


def lines(lab: Lab, query: str) -> list[dict[str, Any]]:
    """Log lines that a query finds, each as the object that it is."""
    parameters = urllib.parse.urlencode({"query": query, "since": "2h", "limit": 1000})
    found = json.loads(lab.kubectl("get", "--raw", f"{LOKI}?{parameters}"))["data"]["result"]
    return [json.loads(line) for stream in found for _, line in stream["values"]]


@pytest.mark.parametrize(
    "query",
    [
        '{application="data_miner"}',
        '{application="data_miner", severity="error"}',
        '{application="data_miner"} |~ "download"',
        '{logger="data_miner.workers.base"}',
    ],
)
def test_the_documented_queries_find_the_workers_logs(lab: Lab, query: str) -> None:
    if "error" in query:
        log(lab, "error", "as asked by a test")
    assert wait_for(query, lambda: lines(lab, query))


def test_logs_are_told_apart_by_worker(lab: Lab) -> None:
    for number in range(3):
        assert wait_for("logs", lambda number=number: lines(lab, f'{{worker="download-worker-{number}"}}'))  # type: ignore[misc]


def health(lab: Lab, node: str) -> dict[str, Any]:
    try:
        with opener().open(f"http://{lab.nodes()[node]}:30300/api/health", timeout=20) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
    except urllib.error.HTTPError as error:
        with error:
            return dict(json.load(error))


def test_every_panel_of_every_dashboard_has_data(lab: Lab) -> None:
    for node in lab.nodes():
        found = wait_for("health", lambda node=node: health(lab, node))  # type: ignore[misc]
        assert found["failures"] == []
    # Whether something failed, a site refused us or an object was found is up to the demo.
    allowed = ("Errors, ", "Pipeline, Objects by label")
    assert [panel for panel in found["empty"] if not panel.startswith(allowed)] == []
    assert found["stand_in"] is True


def test_the_dashboards_are_for_the_administrator(lab: Lab) -> None:
    url = f"http://{next(iter(lab.nodes().values()))}:30300/"
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener().open(url, timeout=20)
    with refused.value:  # an answer like others, to be closed
        assert refused.value.code == HTTPStatus.UNAUTHORIZED
    login = base64.b64encode(f"admin:{secret(lab, 'grafana', 'admin-password')}".encode()).decode()
    request = urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})
    with opener().open(request, timeout=20) as answer:
        assert "Items by stage and state" in answer.read().decode()


def test_adminer_opens_the_database(lab: Lab) -> None:
    address = next(iter(lab.nodes().values()))
    form = {
        "auth[driver]": "pgsql",
        "auth[server]": f"postgres.{NAMESPACE}.svc.cluster.local",
        "auth[username]": "postgres",
        "auth[password]": secret(lab, "postgres", "password"),
        "auth[db]": "data_miner",
    }
    browser = opener()
    with browser.open(f"http://{address}:30080/?pgsql=", urllib.parse.urlencode(form).encode(), 20) as page:
        text = page.read().decode()
    assert "Logout" in text
    assert "frameset" in text


def test_workers_go_on_without_loki_and_their_logs_arrive_later(lab: Lab) -> None:
    lab.kubectl("scale", "-n", NAMESPACE, "statefulset", "loki", "--replicas=0")
    own = ("-n", NAMESPACE, "-l", "app.kubernetes.io/name=loki")
    wait_for("Loki is away", lambda: not lab.get("pods", *own)["items"])
    try:
        before = lab.kubectl("get", "pods", "-n", NAMESPACE, "-o", "name")
        lab.kubectl("rollout", "restart", "-n", NAMESPACE, "deployment", "extract-worker")
        lab.kubectl("rollout", "status", "-n", NAMESPACE, "deployment", "extract-worker", "--timeout=110s")
    finally:
        lab.kubectl("scale", "-n", NAMESPACE, "statefulset", "loki", "--replicas=1")
    after = set(lab.kubectl("get", "pods", "-n", NAMESPACE, "-o", "name").split()) - set(before.split())
    fresh = [name.removeprefix("pod/") for name in after if "extract-worker" in name]
    assert fresh
    for name in fresh:
        wait_for(
            f"the first words of {name}",
            lambda name=name: lines(lab, f'{{worker="{name}"}} |= "worker_started"'),  # type: ignore[misc]
        )
