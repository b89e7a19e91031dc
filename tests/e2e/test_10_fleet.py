"""A cluster of three servers and two agents lives its life, in a lab of its own, while a pipeline is at work.

Each test is a change that an operator makes or a machine that breaks, in the order of the file. Printed are
the items before and after, and how long the API did not answer at its address.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.e2e.fleet import AGENTS, QUERIES, SERVERS, VIP, Fleet, describe_work, fleet, watched
from tests.e2e.lab import Run, wait_for
from tests.e2e.upgrades import break_k3s, closed, versions

pytestmark = [
    pytest.mark.soak,
    # Python's ssl forgets a socket that its peer resets before the handshake, as a server does that restarts.
    pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning"),
]

#: what the file says at each moment; tests change it
GROWN = AGENTS | {"agent-3": 23}
SWAPPED = {"one": 11, "three": 13, "four": 14}
NEWER = "v1.32.2+k3s1"
#: within which the API answers again
ORDERLY_S, KILLED_S = 5.0, 12.0


@pytest.fixture(scope="module")
def made() -> Iterator[tuple[Fleet, Run]]:
    """The lab, and the run that made it."""
    with fleet() as lab_and_run:
        yield lab_and_run


@pytest.fixture
def lab(made: tuple[Fleet, Run]) -> Fleet:
    """The lab as the test before left it."""
    return made[0]


def words(run: Run) -> str:
    """What a run said, without the line breaks that Ansible put in."""
    return " ".join(run.output.split())


def test_a_second_run_changes_nothing(lab: Fleet) -> None:
    assert lab.voters() == set(SERVERS)
    assert [name for name in SERVERS if lab.has_vip(name)] == [lab.holder()]
    assert set(lab.play("site.yml").ok().changed.values()) == {0}


def test_a_pipeline_gets_work_for_as_long_as_the_tests_last(lab: Fleet) -> None:
    describe_work(lab, in_vain=QUERIES)
    lab.play("site.yml", "--tags", "app").ok()
    assert wait_for("work", lambda: lab.counts()["ready"]) > QUERIES / 2


@pytest.mark.parametrize(
    ("command", "within_s"),
    [("systemctl restart k3s", ORDERLY_S), ("systemctl kill --signal=KILL k3s", KILLED_S)],
)
def test_the_api_answers_at_its_address_while_its_server_restarts(
    lab: Fleet, command: str, within_s: float
) -> None:
    # More than once, as it matters which server leads etcd.
    for _ in range(3):
        server = lab.holder()
        with watched(lab, f"{command} on {server}") as figures:
            lab.ssh(server, command)
            wait_for("all servers", lambda: lab.ready() >= set(SERVERS))
            time.sleep(10)
        assert float(str(figures["writes_away_s"])) < within_s


def test_agents_find_the_address_again_after_two_servers_had_it(lab: Fleet) -> None:
    def run(node: str, command: str) -> None:
        done = lab.ssh(node, command)
        assert done.returncode == 0, done.stderr

    first = lab.holder()
    other = next(server for server in SERVERS if server != first)
    config, restart = "/etc/keepalived/keepalived.conf", "systemctl restart keepalived"
    run(
        other,
        f"cp -p {config} {config}.kept && sed -i 's/auth_pass .*/auth_pass other/' {config} && {restart}",
    )
    wait_for("two that have it", lambda: lab.has_vip(first) and lab.has_vip(other))
    # The last that took it has told all others that it has it.
    time.sleep(5)
    run(other, f"mv {config}.kept {config} && {restart}")
    wait_for("one that has it", lambda: sum(map(lab.has_vip, SERVERS)) == 1)
    time.sleep(10)
    asks = f"ssl.get_server_certificate(('{lab.address(VIP)}', 6443), timeout=5)"
    for agent in AGENTS:
        run(agent, f'python3 -c "import ssl; [{asks} for _ in range(5)]"')
    assert set(lab.play("site.yml").ok().changed.values()) == {0}


def test_it_grows_by_an_agent(lab: Fleet) -> None:
    lab.describe(SERVERS, GROWN)
    with watched(lab, "grown by agent-3"):
        lab.site().ok()
    assert "agent-3" in lab.ready()


def test_a_taint_that_ends_pods_takes_the_workers_of_a_machine_and_leaves_its_storage(lab: Fleet) -> None:
    agent = next(name for name in GROWN if lab.pods("data-miner", name))
    storage = lab.pods("seaweedfs", agent)
    lab.describe(SERVERS, GROWN, taints={agent: ["dedicated=other:NoExecute"]})
    with watched(lab, f"{agent} tainted with NoExecute"):
        lab.play("site.yml").ok()
    wait_for("its workers go", lambda: not lab.pods("data-miner", agent))
    assert lab.pods("seaweedfs", agent) == storage
    lab.describe(SERVERS, GROWN)
    lab.play("site.yml", "--tags", "labels").ok()
    assert "taints" not in lab.get("node", agent)["spec"]


def test_agents_whose_files_would_not_fit_elsewhere_stay(lab: Fleet) -> None:
    kept = "/swdfs_mnt/swshared/.kept-by-a-test"
    # Seven volumes and their copies at least, as some grow over their limit; servers have room for twelve.
    done = lab.ssh("one", f"head --bytes=600M /dev/urandom >{kept} && sync {kept}")
    assert done.returncode == 0, done.stderr
    lab.describe(SERVERS, {})
    with watched(lab, "three agents at once, refused"):
        refused = lab.play("site.yml", "--tags", "seaweedfs")
    assert refused.code != 0
    assert "volumes must leave volume-agent-1, volume-agent-2, volume-agent-3" in words(refused)
    assert "find no place; free volumes elsewhere: " in words(refused)
    assert lab.ready() == {*SERVERS, *GROWN}
    lab.ssh("one", f"rm {kept}")


def test_it_shrinks_by_an_agent_whose_files_move(lab: Fleet) -> None:
    lab.describe(SERVERS, AGENTS)
    with watched(lab, "shrunk by agent-3"):
        lab.play("site.yml").ok()
    assert lab.ready() == {*SERVERS, *AGENTS}


def test_a_machine_without_power_is_left_out_and_the_others_converge(lab: Fleet) -> None:
    lab.describe(SERVERS, AGENTS, workers={"extract": {"replicas": 3, "preset": "medium"}})
    lab.switch_off("agent-1")
    with watched(lab, "agent-1 without power"):
        run = lab.play("site.yml")
    assert run.code != 0
    assert "1 of 5 machines could not be reached and were left out" in words(run)
    assert lab.get("deployment", "extract-worker", "-n", "data-miner")["spec"]["replicas"] == 3
    with watched(lab, "agent-1 is back"):
        lab.site().ok()
    assert lab.ready() == {*SERVERS, *AGENTS}


def test_an_agent_is_destroyed_and_another_machine_takes_its_name(lab: Fleet) -> None:
    lab.destroy("agent-2")
    with watched(lab, "agent-2 replaced"):
        lab.site().ok()
    assert lab.ready() == {*SERVERS, *AGENTS}


def test_a_server_is_destroyed_and_another_machine_takes_its_name(lab: Fleet) -> None:
    with watched(lab, "two destroyed and replaced"):
        lab.destroy("two")
        lab.site().ok()
    assert lab.voters() == set(SERVERS)


def test_the_token_is_changed_also_by_a_run_that_was_killed_while_some_had_it(lab: Fleet) -> None:
    first = lab.tokens()
    with watched(lab, "token changed, killed at the second server"):
        lab.kill_play("playbooks/rotate_token.yml", when="TASK [k3s : Bring the machine into shape", times=2)
        lab.site().ok()
    second = lab.tokens()
    with watched(lab, "token changed"):
        lab.play("playbooks/rotate_token.yml").ok()
    assert [len(tokens) for tokens in (first, second, lab.tokens())] == [1, 1, 1]
    assert len(first | second | lab.tokens()) == 3
    assert lab.voters() == set(SERVERS)
    assert set(lab.play("site.yml").ok().changed.values()) == {0}


def test_a_server_is_taken_out_and_another_put_in(lab: Fleet) -> None:
    others = set(SERVERS) - {"two"}
    for server in others:
        lab.ssh(server, "systemctl stop keepalived")
    wait_for("the one that leaves has the API's address", lambda: lab.has_vip("two"))
    for server in others:
        lab.ssh(server, "systemctl start keepalived")
    lab.describe(SWAPPED, AGENTS)
    with watched(lab, "four instead of two"):
        lab.site().ok()
    assert lab.voters() == set(SWAPPED)
    assert lab.ready() == {*SWAPPED, *AGENTS}


def test_a_server_whose_new_k3s_is_broken_runs_the_old_one_again(lab: Fleet) -> None:
    old = set(versions(lab).values()).pop()
    lab.describe(SWAPPED, AGENTS, cluster={"k3s_version": NEWER})
    break_k3s(lab, "three", NEWER, unit="k3s")
    with watched(lab, "upgrade stopped at three, whose new k3s is broken") as figures:
        stopped = lab.play("playbooks/upgrade.yml")
    assert stopped.code != 0
    assert "three was not upgraded" in words(stopped)
    assert f"It runs {old} again and takes pods." in words(stopped)
    assert versions(lab) == {name: NEWER if name == "one" else old for name in (*SWAPPED, *AGENTS)}
    assert lab.ready() == {*SWAPPED, *AGENTS}
    assert lab.voters() == set(SWAPPED)
    assert closed(lab) == []
    assert float(str(figures["writes_away_s"])) < ORDERLY_S


def test_a_server_that_is_lost_in_mid_upgrade_is_taken_in_before_others_are_restarted(lab: Fleet) -> None:
    lab.destroy("three")
    with watched(lab, "three lost in mid-upgrade, and replaced"):
        assert lab.site().code != 0
        refused = lab.play("playbooks/upgrade.yml")
        assert refused.code != 0
        assert "ansible-playbook site.yml --limit localhost,one,three" in words(refused)
        lab.play("site.yml", "--limit", "localhost,one,three").ok()
    assert lab.voters() == set(SWAPPED)
    assert {name for name, runs in versions(lab).items() if runs == NEWER} == {"one", "three"}


def test_it_is_upgraded_to_the_next_minor_version(lab: Fleet) -> None:
    with watched(lab, f"upgraded to {NEWER}") as figures:
        lab.play("playbooks/upgrade.yml", "-e", "upgrade_serial=2").ok()
    assert set(versions(lab).values()) == {NEWER}
    assert lab.ready() == {*SWAPPED, *AGENTS}
    assert closed(lab) == []
    assert float(str(figures["writes_away_s"])) < ORDERLY_S


def test_one_server_is_left_of_three_and_keepalived_goes(lab: Fleet) -> None:
    one = {"one": 11}
    lab.describe(one, AGENTS, cluster={"k3s_version": NEWER})
    with watched(lab, "three servers become one"):
        lab.play("site.yml").ok()
    assert lab.ready() == {*one, *AGENTS}
    assert not lab.has_vip("one")
    assert lab.ssh("one", "systemctl is-active keepalived").stdout.strip() == "inactive"
    assert set(lab.play("site.yml").ok().changed.values()) == {0}


def test_one_server_becomes_three_again(lab: Fleet) -> None:
    lab.describe(SWAPPED, AGENTS, cluster={"k3s_version": NEWER})
    with watched(lab, "one server becomes three"):
        lab.site().ok()
    assert lab.voters() == set(SWAPPED)
    assert [name for name in SWAPPED if lab.has_vip(name)] == [lab.holder()]


def test_in_the_end_every_item_was_worked_off(lab: Fleet) -> None:
    lab.describe(SWAPPED, AGENTS, cluster={"k3s_version": NEWER}, search_s=0)
    lab.play("site.yml", "--tags", "app").ok()
    counts = wait_for(
        "the end of the project",
        lambda: found if (found := lab.counts())["ready"] + found["leased"] == 0 else None,
        timeout_s=1800,
    )
    print(counts)
    assert counts["dead"] == 0
    assert counts["done"] >= QUERIES
