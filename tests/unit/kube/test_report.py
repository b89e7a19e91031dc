"""The picture of a cluster: what is shown, what counts as a problem, how long is waited."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data_miner.config.model import StorageConfig
from miner_cluster import lab_models
from miner_cluster.app_config import load_miner_config
from miner_cluster.cluster import CHECKOUT, Cluster, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.kube.api import KubeError
from miner_cluster.kube.draining import CLOSED_FOR
from miner_cluster.kube.look import settled_counts
from miner_cluster.kube.waiting import Wait
from miner_cluster.report import (
    Look,
    backup_warnings,
    build,
    certificate_problems,
    image_problems,
    project_problems,
)
from miner_cluster.report_text import as_text
from miner_cluster.text_table import table
from tests.modules import load_module
from tests.unit.kube.conftest import obj

GIB = 1 << 30
IDLE = {"ready": 0, "leased": 0, "done": 2, "skipped": 0, "dead": 0}
BUSY = {**IDLE, "ready": 1}


def project(frames: int, **stages: dict[str, int]) -> dict[str, Any]:
    return {
        "videos": 2,
        "bytes": 3 << 20,
        "frames": frames,
        "stages": stages,
        "nodes": {"lab-agent-1": {"extract": 2}},
    }


@pytest.fixture
def cluster() -> Cluster:
    path = CHECKOUT / "inventory" / "lab" / "cluster_config.yaml"
    return resolve_cluster(load_cluster_file(path).file, config_file=path)


def node(name: str, ready: str = "True", *, version: str = "v1.31.0+k3s1") -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready}]
    status = {"conditions": conditions, "nodeInfo": {"kubeletVersion": version}}
    return obj("Node", name, None, status=status, spec={})


def pod(name: str, where: str, image_id: str = "sha256:aa") -> dict[str, Any]:
    made = obj(
        "Pod",
        name,
        spec={"nodeName": where},
        status={
            "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"image": "data-miner:lab", "imageID": image_id}],
        },
    )
    made["metadata"]["labels"]["app"] = "it"
    made["metadata"]["annotations"] = {"data-miner/image-id": "sha256:aa"}
    return made


def running() -> dict[str, Any]:
    return obj(
        "Deployment",
        "it",
        spec={"replicas": 1, "selector": {"matchLabels": {"app": "it"}}},
        status={"observedGeneration": 1, "updatedReplicas": 1, "availableReplicas": 1, "replicas": 1},
    )


@pytest.mark.parametrize(
    ("free_percent", "warnings", "problems"),
    [
        (21, [], []),
        (20, ["80 % full; downloads stop at 90 %"], []),
        (9, [], ["91 % full: no downloads"]),
    ],
)
def test_a_storage_that_fills_up_is_told_before_it_is_a_problem(
    cluster: Cluster, free_percent: int, warnings: list[str], problems: list[str]
) -> None:
    look = Look(mounted=True, shared_total_bytes=100 * GIB, shared_free_bytes=free_percent * GIB)
    limits = StorageConfig(warn_percent=80, pause_percent=90, resume_percent=85)
    report = build(
        cluster,
        nodes=[node(name) for name in cluster.nodes],
        workloads=[],
        pods=[],
        looks={"lab-server": look},
        projects={},
        stand_ins=[],
        limits=limits,
    )
    for found, wanted in ((report["warnings"], warnings), (report["problems"], problems)):
        assert len(found) == len(wanted)
        assert all(words in sentence for words, sentence in zip(wanted, found, strict=True))
    assert all(words in as_text(report) for words in (*warnings, *problems))


def test_a_cluster_that_works_is_shown_with_everything(cluster: Cluster) -> None:
    look = Look(mounted=True, free_bytes=8 * GIB, total_bytes=11 * GIB, stored_bytes=GIB)
    look |= {"shared_total_bytes": 6 * GIB, "shared_free_bytes": 3 * GIB}
    report = build(
        cluster,
        nodes=[node(name) for name in cluster.nodes],
        workloads=[running()],
        pods=[pod("it-1", "lab-agent-1")],
        looks=dict.fromkeys(cluster.nodes, look),
        projects={"demo": project(12, download=IDLE)},
        stand_ins=["the k3s program is a stand-in"],
        at_work="me@there runs site.yml",
    )
    assert report["problems"] == []
    json.dumps(report)
    text = as_text(report)
    shown = "cluster lab, k3s v1.31.0+k3s1: everything runs\nchanging now: me@there runs site.yml\n"
    assert text.startswith(shown)
    assert "lab-agent-1  agent   Ready     1  8.0 of 11.0 GiB  1.0 of 2.0 GiB  mounted" in text
    assert "shared storage: 3.0 of 6.0 GiB used (50 %), all copies counted" in text
    assert "data-miner/it  1/1    lab-agent-1" in text
    assert "project demo: 2 videos (3.0 MiB), 12 frames" in text
    assert "done on lab-agent-1: extract 2" in text
    assert "the k3s program is a stand-in" in text


def test_a_machine_with_another_k3s_is_named_with_the_playbook_for_it(cluster: Cluster) -> None:
    nodes = [node(name) for name in cluster.nodes]
    nodes[1] = node("lab-agent-1", version="v1.30.4+k3s1")
    report = build(cluster, nodes=nodes, workloads=[], pods=[], looks={}, projects={}, stand_ins=[])
    (only,) = report["warnings"]
    assert "lab-agent-1 runs k3s v1.30.4+k3s1, and cluster.k3s_version is v1.31.0+k3s1" in only
    assert "playbooks/upgrade.yml" in only
    assert report["problems"] == []


def test_nodes_that_are_not_in_the_file_are_named_with_what_becomes_of_them(cluster: Cluster) -> None:
    leaving = node("lab-agent-9")
    leaving["metadata"]["annotations"] = {"data-miner/labels": "[]"}
    nodes = [*map(node, cluster.nodes), node("somebody's", version="v1.2.3"), leaving]
    report = build(cluster, nodes=nodes, workloads=[], pods=[], looks={}, projects={}, stand_ins=[])
    assert report["warnings"] == [
        "lab-agent-9 is a node of the cluster and not in cluster_config.yaml; site.yml takes it out",
        "somebody's is a node of the cluster and not in cluster_config.yaml; site.yml leaves it alone",
    ]
    assert report["problems"] == []


def test_drift_is_shown_and_is_no_problem(cluster: Cluster) -> None:
    nodes = [node(name) for name in cluster.nodes]
    report = build(
        cluster,
        nodes=nodes,
        workloads=[],
        pods=[],
        looks={},
        projects={},
        stand_ins=[],
        drift=["a is 6, not 3"],
    )
    assert report["problems"] == []
    assert "drift, which site.yml takes back:\n  a is 6, not 3" in as_text(report)


def test_items_that_were_given_up_are_told_with_the_command_that_says_why(cluster: Cluster) -> None:
    demo = project(3, download=IDLE | {"dead": 2})
    report = build(cluster, nodes=[], workloads=[], pods=[], looks={}, projects={"demo": demo}, stand_ins=[])
    assert "2 items were given up; why: kubectl -n data-miner exec" in as_text(report)


@pytest.mark.parametrize(
    ("projects", "words"),
    [
        ({}, "project demo was not queued; why: kubectl -n data-miner logs deploy/monitor-worker"),
        ({"demo": project(0, download=IDLE | {"dead": 2}, extract=BUSY)}, "no frames: 2 items were given up"),
        ({"demo": project(0, search=IDLE)}, "no frames, and nothing is left to do"),
        ({"demo": project(0)}, "nothing is left to do"),
    ],
)
def test_a_project_that_gave_nothing_is_a_problem(projects: dict[str, Any], words: str) -> None:
    (only,) = project_problems(projects, "demo", "data-miner")
    assert words in only
    assert "kubectl -n data-miner " in only


def test_a_project_that_has_frames_or_still_works_or_is_nobodys_is_no_problem(cluster: Cluster) -> None:
    given_up = {"demo": project(3, download=IDLE | {"dead": 2})}
    working = {"demo": project(0, search=BUSY)}
    assert project_problems(given_up, "demo", "data-miner") == []
    assert project_problems(working, "demo", "data-miner") == []
    assert project_problems({}, "", "data-miner") == []
    report = build(cluster, nodes=[], workloads=[], pods=[], looks={}, projects=working, stand_ins=[])
    assert "still working: no frames yet, items to do: 1" in as_text(report)


@pytest.mark.parametrize(("leased", "stuck"), [(0, True), (1, False)])
def test_a_project_that_waits_for_what_its_workers_lack_is_a_problem(
    cluster: Cluster, leased: int, stuck: bool
) -> None:
    demo = project(3, filter=BUSY | {"leased": leased}) | {"waiting": ["model tiny is not there"]}
    report = build(cluster, nodes=[], workloads=[], pods=[], looks={}, projects={"demo": demo}, stand_ins=[])
    assert ("project demo waits: model tiny is not there" in report["problems"]) == stuck


def test_people_see_why_items_were_skipped(cluster: Cluster) -> None:
    skipped = [{"stage": "download", "reason": "too long", "items": 2}]
    demo = project(3, download=IDLE) | {"skipped": skipped}
    report = build(cluster, nodes=[], workloads=[], pods=[], looks={}, projects={"demo": demo}, stand_ins=[])
    assert "skipped by download: 2, too long" in as_text(report)


def test_the_status_holds_what_is_wrong_with_the_project(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, counts = load_module("cluster_status"), load_module("project_counts")
    monkeypatch.setattr(counts, "counts", lambda *_: {"other": project(1)})
    monkeypatch.setattr(counts, "Api", lambda _: SimpleNamespace(raw=lambda *_: b"ok"))
    monkeypatch.setattr(status, "module", {"project_counts": counts}.__getitem__)
    asked = {"cluster": cluster.model_dump(mode="json"), "project": "demo", "wait_s": 0}
    for known in (None, {"projects": {"other": project(1)}, "problem": ""}):
        problems: list[str] = []
        assert status._counts(cluster, asked | {"counts": known}, problems) == {"other": project(1)}
        assert problems[0].startswith("project demo was not queued")


def test_nobody_waits_for_counts_while_the_api_is_away(cluster: Cluster) -> None:
    asked = {"cluster": cluster.model_dump(mode="json"), "project": "demo", "wait_s": 300}
    found = load_module("project_counts").run(asked, check=False)
    assert found["projects"] == {}
    assert "kubeconfig" in found["problem"]


def test_counts_that_could_not_be_had_are_the_problem(cluster: Cluster) -> None:
    problems: list[str] = []
    asked = {"cluster": {}, "project": "demo", "wait_s": 0}
    failed = {"projects": {}, "problem": "The monitor did not say its counts"}
    assert load_module("cluster_status")._counts(cluster, asked | {"counts": failed}, problems) == {}
    assert problems == ["The monitor did not say its counts"]


def test_counts_that_were_brought_along_are_asked_for_anew_where_a_problem_may_pass(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_module("cluster_status")
    empty = build(cluster, nodes=None, workloads=[], pods=[], looks={}, projects={}, stand_ins=[])
    asked: list[object] = []

    def see(params: dict[str, Any]) -> Any:
        asked.append(params["counts"])
        return {**empty, "problems": ["a probe was slow"] if params["counts"] else []}

    monkeypatch.setattr(module, "see", see)
    monkeypatch.setattr(module, "POLL_S", 0.0)
    counts = {"projects": {}, "problem": "no"}
    assert module.run({"wait_s": 9, "counts": counts}, check=False)["problems"] == []
    assert asked == [counts, None]


def test_backups_that_may_not_be_looked_at_are_a_problem_and_the_rest_is_seen(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_module("cluster_status")

    def closed(_: Path) -> None:
        raise PermissionError(13, "Permission denied", cluster.backup.dir)

    monkeypatch.setattr(module, "latest", closed)
    asked = {"cluster": cluster.model_dump(mode="json"), "looks": {}, "stand_ins": [], "project": ""}
    report = module.see(asked | {"who": False})
    assert f"{cluster.backup.dir}: Permission denied" in report["problems"][0]
    assert report["last_backup"] == ""


def test_each_thing_that_is_wrong_is_a_problem(cluster: Cluster) -> None:
    lagging = running() | {"status": {"observedGeneration": 1}}
    report = build(
        cluster,
        nodes=[node("lab-server"), node("lab-agent-1", "Unknown")],
        workloads=[lagging],
        pods=[],
        looks={"lab-server": Look(mounted=False)},
        projects={},
        stand_ins=[],
        problems=["the database does not answer"],
    )
    assert report["problems"] == [
        "the database does not answer",
        "lab-agent-1 is NotReady; start it, or see there: journalctl -u 'k3s*' --since -1h",
        "lab-agent-2 is missing; run: ansible-playbook site.yml --tags k3s",
        "lab-server: the shared storage is not mounted; see: kubectl -n seaweedfs get pods -o wide",
        "Deployment data-miner/it: 0 of 1 pods updated; see: kubectl -n data-miner describe deployment it",
    ]
    assert "5 problems" in as_text(report)


def test_nodes_that_nobody_could_be_asked_about_are_unknown(
    cluster: Cluster,
) -> None:
    report = build(
        cluster,
        nodes=None,
        workloads=[],
        pods=[],
        looks={},
        projects={},
        stand_ins=[],
        problems=["the API does not answer"],
    )
    assert {row["state"] for row in report["nodes"]} == {"unknown"}
    assert report["problems"] == ["the API does not answer"]


def test_an_image_that_differs_between_machines_is_named_with_them() -> None:
    found = image_problems([pod("a", "one"), pod("b", "two", "docker.io/x@sha256:bb"), pod("c", "three")])
    assert found == [
        "data-miner:lab is not the same everywhere: sha256:aa on one, three, sha256:bb on two; "
        "run: ansible-playbook site.yml --tags docker"
    ]
    assert image_problems([pod("a", "one"), pod("b", "two")]) == []


def test_numbers_are_aligned_to_the_right_and_texts_to_the_left() -> None:
    assert table(("name", "n"), [("a", "10"), ("bbbbb", "5")]) == ["name    n", "a      10", "bbbbb   5"]
    assert table(("name",), []) == []


class Answers:
    """A monitor that gives one answer after the other, and the clock that goes on with each."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.said: list[str] = []

    def read(self) -> dict[str, Any]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(answer, Exception):
            raise answer
        found: dict[str, Any] = answer
        return found

    def wait(self, wait_s: float = 10) -> dict[str, Any]:
        waiting = Wait(self.said.append, clock=lambda: float(self.asked), sleep=lambda _: None)
        return settled_counts(self.read, "demo", wait_s=wait_s, waiting=waiting)


def test_a_machine_that_was_asked_in_vain_is_a_problem(cluster: Cluster) -> None:
    looks = {"lab-server": Look(mounted=True), "lab-agent-1": Look()}
    report = build(cluster, nodes=None, workloads=[], pods=[], looks=looks, projects={}, stand_ins=[])
    assert report["problems"] == ["lab-agent-1 does not answer; run: make doctor"]


def test_a_project_with_frames_is_not_waited_for() -> None:
    answers = Answers({"demo": project(5, download=BUSY)})
    answers.wait()
    assert answers.asked == 1


def test_a_new_project_is_waited_for_until_its_queue_is_empty() -> None:
    done = {"demo": project(9, download=IDLE)}
    answers = Answers({}, {"demo": project(0)}, {"demo": project(3, download=BUSY)}, done)
    assert answers.wait() == done
    assert answers.asked == 4


def test_the_wait_for_a_new_project_ends_without_an_error() -> None:
    answers = Answers({"demo": project(0, download=BUSY)})
    assert answers.wait(wait_s=5) == {"demo": project(0, download=BUSY)}


def test_the_wait_tells_how_far_the_project_is() -> None:
    answers = Answers(*[{"demo": project(3, download=BUSY)}] * 20, {"demo": project(9, download=IDLE)})
    answers.answers[0] = {}
    answers.wait(wait_s=30)
    assert len(answers.said) == 4
    assert "3 frames" in answers.said[0]


def test_a_database_that_does_not_answer_is_an_error_after_the_wait() -> None:
    answers = Answers(KubeError("no"), KubeError("no"), {"demo": project(1)})
    assert answers.wait()["demo"]["frames"] == 1
    with pytest.raises(KubeError, match="no"):
        Answers(KubeError("no")).wait(wait_s=3)


def test_a_problem_that_passes_is_none_where_waiting_is_asked_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_module("cluster_status")
    empty = build(cluster, nodes=None, workloads=[], pods=[], looks={}, projects={}, stand_ins=[])
    seen = iter([{**empty, "problems": ["a probe was slow"]}, {**empty, "problems": []}])
    monkeypatch.setattr(module, "see", lambda _: next(seen))
    monkeypatch.setattr(module, "POLL_S", 0.0)
    assert module.run({"wait_s": 9}, check=False)["problems"] == []


def test_a_problem_is_told_at_once_where_no_waiting_is_asked_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load_module("cluster_status")
    empty = build(cluster, nodes=None, workloads=[], pods=[], looks={}, projects={}, stand_ins=[])
    monkeypatch.setattr(module, "see", lambda _: {**empty, "problems": ["a probe was slow"]})
    assert module.run({"wait_s": 0}, check=False)["problems"] == ["a probe was slow"]


@pytest.mark.parametrize(
    ("reason", "told"),
    [("upgrade", "is closed by upgrade.yml; if that is not at work"), (None, "kubectl uncordon")],
)
def test_nobody_is_told_to_open_a_node_that_is_being_upgraded(
    cluster: Cluster, reason: str | None, told: str
) -> None:
    closed = node("lab-server")
    closed["spec"]["unschedulable"] = True
    closed["metadata"]["annotations"] = {CLOSED_FOR: reason} if reason else {}
    report = build(cluster, nodes=[closed], workloads=[], pods=[], looks={}, projects={}, stand_ins=[])
    assert told in next(line for line in report["problems"] if line.startswith("lab-server"))


def test_the_images_that_run_are_shown_with_their_ids_and_machines(cluster: Cluster) -> None:
    pods = [pod("a", "one", "x@sha256:" + "ab" * 32), pod("b", "two", "x@sha256:" + "ab" * 32)]
    report = build(cluster, nodes=[], workloads=[], pods=pods, looks={}, projects={}, stand_ins=[])
    assert report["images"] == {"data-miner:lab": {"sha256:" + "ab" * 32: ["one", "two"]}}
    assert "data-miner:lab  sha256:abababababab  one, two" in as_text(report)


NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days", "words"),
    [(31, None), (29, "ends in 29 days; run: ansible-playbook site.yml --tags seaweedfs"), (-1, "has ended")],
)
def test_certificates_of_the_storage_that_end_soon_are_a_problem(days: int, words: str | None) -> None:
    found = certificate_problems(NOW + timedelta(days=days), NOW)
    assert (found == []) is (words is None)
    assert words is None or words in found[0]


@pytest.mark.parametrize(
    ("hours", "daily_at", "words"),
    [
        (None, None, None),
        (1000, None, None),
        (35, "03:17", None),
        (37, "03:17", "a backup is due each day at 03:17 (backup.daily_at), and the last is of "),
        (None, "03:17", "a backup is due each day at 03:17 (backup.daily_at), and there is none"),
    ],
)
def test_a_daily_backup_that_did_not_happen_is_warned_of(
    hours: int | None, daily_at: str | None, words: str | None
) -> None:
    last = None if hours is None else NOW - timedelta(hours=hours)
    found = backup_warnings(last, daily_at, NOW)
    assert (found == []) if words is None else found[0].startswith(words)


def test_the_last_backup_is_shown(cluster: Cluster) -> None:
    def text(last: datetime | None) -> str:
        return as_text(
            build(
                cluster,
                nodes=[],
                workloads=[],
                pods=[],
                looks={},
                projects={},
                stand_ins=[],
                last_backup=last,
            )
        )

    assert "last backup: 2026-03-01 03:17 UTC" in text(datetime(2026, 3, 1, 3, 17, tzinfo=UTC))
    assert "last backup: none; make one with: make backup" in text(None)


def test_people_are_told_where_the_pages_are(cluster: Cluster) -> None:
    report = build(cluster, nodes=[], workloads=[], pods=[], looks={}, projects={}, stand_ins=[])
    assert "  http://172.31.77.10:30090  the pipeline\n  http://172.31.77.10:30300  Grafana" in as_text(
        report
    )
    assert "playbooks/credentials.yml" in as_text(report)


def test_models_that_a_lab_has_in_the_place_of_a_run_configs_are_stand_ins(cluster: Cluster) -> None:
    other = cluster.model_copy(update={"run_config": str(CHECKOUT / "run_configs/glass_door.yaml")})
    config = load_miner_config(other)
    sentences = lab_models.stand_ins(other, config)
    assert len(sentences) == 3
    assert sentences[0].startswith(
        "filter runs tiny-siglip, which was trained for the lab, in the place of google/"
    )
    assert lab_models.stand_ins(other.model_copy(update={"lab": None}), config) == []
