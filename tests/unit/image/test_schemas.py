"""Images that don't know the database's schema are refused before anything is replaced."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from data_miner.db.migrate import migrations
from miner_cluster.backup import postgres
from miner_cluster.backup.errors import BackupError
from miner_cluster.backup.pods import Pod
from miner_cluster.cluster import CHECKOUT
from miner_cluster.images.releases import ReleaseError, choose
from miner_cluster.images.schemas import refuse_older
from module_utils.node_images.state import completed, remembered
from tests.modules import load_action, load_module

A, B, C = (f"sha256:{digit * 64}" for digit in "abc")
LATEST = migrations()[-1].version


def deployed(*schemas: int) -> list[dict[str, Any]]:
    """What a machine remembers of deployments of images that know these schemas, the first of them A.

    All have come to their end.
    """
    history: list[dict[str, Any]] = []
    for at, known in enumerate(schemas):
        latest = {"tag": "lab", "images": {"workers": A if at == 0 else B}, "schema": known}
        history = remembered(history, latest, at)
    return history


def check(known: int, history: list[dict[str, Any]], now: int | None) -> list[int | None]:
    """Return how often the database, which has a schema or does not answer, was asked."""
    asked = []

    def ask() -> int:
        asked.append(now)
        if now is None:
            raise BackupError("psql in pod postgres-0 ends with 1")
        return now

    refuse_older(known, [[], history], ask, remedy="Deploy a later one")
    return asked


@pytest.mark.parametrize("history", [[], deployed(6), deployed(6, 7), deployed(0)])
def test_the_database_is_not_asked_where_no_later_image_was_deployed(history: list[dict[str, Any]]) -> None:
    assert check(7, history, None) == []
    assert check(0, history, None) == []  # nobody knows what the image knows


def test_the_database_is_not_asked_once_older_images_ran_again() -> None:
    """Its data of before were brought back, so nothing is left of what the later image migrated."""
    assert check(6, deployed(6, 7, 6), None) == []


@pytest.mark.parametrize("known", [[7, 6, 0], [6, 7]])
def test_a_later_image_since_one_that_ran_counts(known: list[int]) -> None:
    """One that came no further may have migrated, and one of unknown schema says nothing."""
    history = deployed(*known)
    interrupted = remembered(
        history, {"tag": "new", "images": {"workers": C}, "schema": 8, "under_way": "new"}, 9
    )
    assert check(7, interrupted, 7) == [7]
    assert check(7, completed(interrupted), 7) == [7]


def test_one_machine_that_remembers_a_later_image_is_enough() -> None:
    with pytest.raises(ReleaseError, match="has schema 7"):
        refuse_older(6, [[], deployed(6), deployed(6, 7)], lambda: 7, remedy="")


def test_an_image_that_does_not_know_the_schema_is_refused_with_what_to_do() -> None:
    with pytest.raises(
        ReleaseError, match=r"has schema 7, and this image knows 6 .* Deploy a later one; or go"
    ):
        check(6, deployed(6, 7), 7)


def test_an_image_whose_successor_migrated_nothing_may_come_back() -> None:
    assert check(6, deployed(6, 7), 6) == [6]


def test_a_database_that_does_not_say_stops_it_unless_that_is_meant() -> None:
    with pytest.raises(ReleaseError, match=r"does not say .*postgres-0 .*-e image_any_schema=true"):
        check(6, deployed(6, 7), None)


def test_going_back_asks_the_cluster_s_own_database(monkeypatch: pytest.MonkeyPatch) -> None:
    pods = []

    def schema(pod: Pod) -> int:
        pods.append(pod)
        return 7

    monkeypatch.setattr(postgres, "schema", schema)
    run = load_module("image_release").run
    params = {"tag": "previous", "name": "", "moving_tag": "lab", "deployments": [deployed(6, 7)]}
    database = {"kubectl": "/state/kubectl", "namespace": "mining"}
    with pytest.raises(ReleaseError, match="has schema 7"):
        run(params | {"database": database}, check=False)
    (pod,) = pods
    assert (pod.kubectl, pod.namespace, pod.name) == (Path("/state/kubectl"), "mining", "postgres-0")
    found = run(params | {"database": {}}, check=False)
    assert (found["images"], found["schema"]) == ({"workers": A}, 6)


def test_sources_that_do_not_know_the_schema_are_refused_before_they_are_built(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    action = load_action("image_build")
    monkeypatch.setattr(action.cache, "find", lambda *_, **__: pytest.fail("was built"))
    monkeypatch.setattr(postgres, "schema", lambda _: LATEST + 1)
    options = {
        "image_id": "",
        "base_image": None,
        "target": "workers",
        "models": None,
        "deployments": [[], deployed(LATEST, LATEST + 1)],
        "database": {"kubectl": "/state/kubectl", "namespace": "mining"},
    }
    with pytest.raises(ReleaseError, match=f"knows {LATEST} at the most.* Check out sources that know it"):
        action._converge(options, look_only=False)


def test_what_was_remembered_without_a_schema_gets_it_and_stays_one_deployment() -> None:
    before = remembered([], {"tag": "lab", "images": {"workers": A}}, 1)
    after = remembered(before, {"tag": "lab", "images": {"workers": A}, "schema": 7, "under_way": "lab"}, 2)
    assert after == [{"at": 1, "tag": "lab", "images": {"workers": A}, "schema": 7}]
    assert remembered(after, {"tag": "lab", "images": {"workers": A}, "schema": 0}, 3) == after
    found = choose([before, after], "id-aaaaaa", moving_tag="lab")
    assert found
    assert found["schema"] == 7


def test_looking_for_an_image_loads_no_driver_of_a_database() -> None:
    """It is done in every run, and loading one takes longer."""
    look = "import sys; from tests.modules import load_action; load_action('image_build')"
    look += "; assert 'psycopg' not in sys.modules"
    subprocess.run([sys.executable, "-c", look], check=True, cwd=CHECKOUT)
