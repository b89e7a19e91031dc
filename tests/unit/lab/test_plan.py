"""What a lab's plan does with what is there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.lab.containers import containers
from miner_cluster.lab.errors import LabError
from miner_cluster.lab.model import (
    LABEL_LAB,
    LABEL_RECIPE,
    LABEL_STATE,
    Found,
    FoundContainer,
    FoundMachine,
    FoundNetwork,
    Lab,
)
from miner_cluster.lab.plan import MIB, Plan, plan_absent, plan_present
from miner_cluster.lab.sentences import sentences
from tests.unit.lab.factories import BARE, HOST, STATE, after, make_lab


def made(lab: Lab) -> Found:
    """Return what is there once a lab was made from nothing."""
    return after(lab, plan_present(lab, HOST, BARE), BARE)


def container(name: str, *, state: str = "running", recipe: str = "", **labels: str) -> FoundContainer:
    own = {LABEL_LAB: "demo", LABEL_STATE: str(STATE), LABEL_RECIPE: recipe} | labels
    return FoundContainer(name=name, state=state, started=state != "created", labels=own, pid=1)


NAMES = st.sampled_from(["server", "agent", "third", "site"])
CONTAINERS = st.dictionaries(
    NAMES.map("demo-{}".format),
    st.tuples(
        st.sampled_from(["running", "exited", "created", "removing", "storage"]),
        st.sampled_from(["right", "other"]),
    ),
)
FOUND = st.builds(
    lambda boxes, disks, network, rule, key, images: replace(
        BARE,
        containers={
            name: container(
                name,
                state=state,
                recipe=containers(make_lab(), HOST)[name].recipe
                if recipe == "right" and name in containers(make_lab(), HOST)
                else "old",
            )
            for name, (state, recipe) in boxes.items()
        },
        disks={f"{name}.img": size * MIB for name, size in disks.items()},
        networks={each.name: each for each in network},
        rules={"nat": frozenset({f"-A POSTROUTING -s {rule} -j ACCEPT"} if rule else ())},
        public_key=key,
        images=frozenset(images),
    ),
    CONTAINERS,
    st.dictionaries(st.sampled_from(["server", "agent", "third"]), st.sampled_from([4000, 8000])),
    st.lists(
        st.sampled_from(["192.0.2.0/24", "198.51.100.0/24"]).map(
            lambda subnet: FoundNetwork(name="data-miner-demo", subnets=(subnet,), bridge="podman3")
        ),
        max_size=1,
    ),
    st.sampled_from(["", "192.0.2.0/24"]),
    st.sampled_from(["", "ssh-ed25519 old"]),
    st.lists(st.sampled_from(["one", "two"])),
)


@given(FOUND)
def test_whatever_an_interrupted_run_left_the_next_one_completes_it(found: Found) -> None:
    lab = make_lab()
    done = after(lab, plan_present(lab, HOST, found), found)
    assert plan_present(lab, HOST, done) == Plan()
    wanted = {"demo-server", "demo-agent", "demo-site"}
    assert wanted <= set(done.containers)
    assert all(found.containers[name] == done.containers[name] for name in done.containers.keys() - wanted)


@given(FOUND)
def test_removing_leaves_nothing_whatever_was_there(found: Found) -> None:
    lab = make_lab()
    done = after(lab, plan_absent(lab, found), found)
    assert not done.containers
    assert plan_absent(lab, done) == Plan()


def test_from_nothing_everything_is_made() -> None:
    plan = plan_present(make_lab(), HOST, BARE)
    assert plan.make_disks == ("server", "agent")
    assert [box.name for box in plan.create] == ["demo-server", "demo-agent", "demo-site"]
    assert plan.import_image
    assert plan.make_network
    assert plan.make_key
    assert plan.sysctls == {"fs.inotify.max_user_instances": 1024}


def test_a_stopped_machine_is_started_and_not_made_anew() -> None:
    found = made(make_lab())
    stopped = replace(found.containers["demo-agent"], state="exited")
    machines = {"demo-server": found.machines["demo-server"]}
    plan = plan_present(
        make_lab(),
        HOST,
        replace(found, containers={**found.containers, "demo-agent": stopped}, machines=machines),
    )
    assert plan == Plan(start=("demo-agent",), write_known_hosts=True)


def test_a_machine_that_podman_calls_created_after_a_boot_is_started() -> None:
    found = made(make_lab())
    booted = {name: replace(box, state="created", pid=0) for name, box in found.containers.items()}
    plan = plan_present(make_lab(), HOST, replace(found, containers=booted, machines={}))
    assert not plan.create
    assert set(plan.start) == set(booted)


def test_another_root_file_system_keeps_the_disks() -> None:
    plan = plan_present(make_lab(image_tag="two"), HOST, made(make_lab()))
    assert len(plan.create) == len(plan.remove_containers) == 3
    assert not plan.make_disks


def test_a_machine_taken_out_stays_with_its_disk_and_the_others_forget_it() -> None:
    lab, found = make_lab("server"), made(make_lab())
    plan = plan_present(lab, HOST, found)
    assert plan == Plan(write_files=("demo-server",), write_known_hosts=True)
    assert "demo-agent" in plan_absent(lab, after(lab, plan, found)).remove_containers


def test_a_machine_put_in_is_made_and_the_others_stay() -> None:
    plan = plan_present(make_lab("server", "agent", "third"), HOST, made(make_lab()))
    assert [box.name for box in plan.create] == ["demo-third"]
    assert not plan.remove_containers
    assert plan.write_files == ("demo-server", "demo-agent")


def test_keys_that_somebody_added_to_a_machine_stay() -> None:
    found = made(make_lab())
    inside = found.machines["demo-agent"]
    own = FoundMachine(
        hosts=inside.hosts, host_key=inside.host_key, authorized_keys=f"ssh-rsa me\n{inside.authorized_keys}"
    )
    assert (
        plan_present(make_lab(), HOST, replace(found, machines={**found.machines, "demo-agent": own}))
        == Plan()
    )


def test_a_larger_disk_grows_and_a_smaller_one_is_refused() -> None:
    plan = plan_present(make_lab(disk_mb=9000), HOST, made(make_lab()))
    assert plan.grow_disks == ("server", "agent")
    assert not plan.make_disks
    with pytest.raises(LabError, match="disk of server has 8000 MB and can't shrink to 7000"):
        plan_present(make_lab(disk_mb=7000), HOST, made(make_lab()))


def test_another_subnet_makes_network_and_machines_anew() -> None:
    lab = make_lab()
    moved = replace(
        lab,
        machines=tuple(replace(each, ip=each.ip.replace("192.0.2", "198.51.100")) for each in lab.machines),
        site=None,
    )
    plan = plan_present(moved, HOST, made(lab))
    assert plan.remove_network
    assert plan.make_network
    assert set(plan.remove_rules) == {"nat", "filter"}
    assert set(plan.remove_containers) == {"demo-server", "demo-agent", "demo-site"}


def test_only_loop_devices_that_no_running_machine_has_are_detached() -> None:
    found = made(make_lab())
    loops = {"/dev/loop1": STATE / "disks" / "server.img", "/dev/loop2": STATE / "disks" / "gone.img"}
    assert plan_present(make_lab(), HOST, replace(found, loops=loops)).detach_loops == ("/dev/loop2",)


@pytest.mark.parametrize("plan", [plan_absent, lambda lab, found: plan_present(lab, HOST, found)])
def test_a_lab_of_another_checkout_is_left_alone_and_named(plan: object) -> None:
    other = container("demo-server", **{LABEL_STATE: "/other/.state/demo"})
    found = replace(BARE, containers={"demo-server": other}, living=frozenset({"/other/.state/demo"}))
    with pytest.raises(LabError, match=r"/other/\.state/demo.*LAB=NAME"):
        plan(make_lab(), found)  # type: ignore[operator]


def test_a_network_of_another_checkout_is_left_alone() -> None:
    labels = {LABEL_LAB: "demo", LABEL_STATE: "/other/.state/demo"}
    network = FoundNetwork(name="data-miner-demo", subnets=("192.0.2.0/24",), bridge="podman1", labels=labels)
    found = replace(BARE, networks={network.name: network}, living=frozenset({"/other/.state/demo"}))
    with pytest.raises(LabError, match="another checkout"):
        plan_present(make_lab(), HOST, found)


def test_what_a_deleted_checkout_left_is_removed() -> None:
    other = container("demo-server", **{LABEL_STATE: "/deleted/.state/demo"})
    plan = plan_present(make_lab(), HOST, replace(BARE, containers={"demo-server": other}))
    assert list(plan.remove_containers) == ["demo-server"]


def test_a_container_that_no_lab_made_is_left_alone() -> None:
    stranger = FoundContainer(name="demo-agent", state="running", started=True)
    with pytest.raises(LabError, match="container demo-agent that no lab made"):
        plan_present(make_lab(), HOST, replace(BARE, containers={"demo-agent": stranger}))


def test_a_taken_subnet_is_refused_with_its_owner() -> None:
    with pytest.raises(LabError, match=r"eth7 has 192\.0\.0\.0/16"):
        plan_present(make_lab(), HOST, replace(BARE, routes={"192.0.0.0/16": "eth7"}))
    other = FoundNetwork(name="theirs", subnets=("192.0.2.128/25",), bridge="podman5")
    with pytest.raises(LabError, match="podman's network theirs"):
        plan_present(make_lab(), HOST, replace(BARE, networks={"theirs": other}))


def test_the_lab_does_not_stand_in_its_own_way() -> None:
    found = replace(made(make_lab()), routes={"192.0.2.0/24": "podman1"})
    assert plan_present(make_lab(), HOST, found) == Plan()


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (replace(BARE, free_disk_mb=5999), "5999 MB are free.*2 new machines need 6000 MB"),
        (replace(BARE, free_memory_mb=1799), "1799 MB of memory.*2 machines need 1800 MB"),
    ],
)
def test_a_machine_that_is_too_small_is_refused(found: Found, message: str) -> None:
    with pytest.raises(LabError, match=message):
        plan_present(make_lab(), HOST, found)


def test_running_machines_need_no_more_room() -> None:
    full = replace(made(make_lab()), free_disk_mb=0, free_memory_mb=0)
    assert plan_present(make_lab(), HOST, full) == Plan()


def test_a_key_that_the_user_names_is_not_made() -> None:
    with pytest.raises(LabError, match=r"cluster\.ssh\.key: /home/me/key"):
        plan_present(make_lab(ssh_key=Path("/home/me/key")), HOST, BARE)


def test_no_machine_is_called_as_the_site_is() -> None:
    with pytest.raises(LabError, match="can't be called site"):
        plan_present(make_lab("server", "site"), HOST, BARE)
    assert plan_present(make_lab("server", "site", site=None), HOST, BARE).create


def test_values_go_back_with_the_last_lab_only() -> None:
    recorded = {"vm.overcommit_memory": 0}
    found = replace(made(make_lab()), recorded_sysctls=recorded)
    assert plan_absent(make_lab(), found).restore_sysctls == recorded
    for other in (
        container("else-server", state="exited", **{LABEL_LAB: "else"}),
        FoundContainer(name="theirs", state="running", started=True),
    ):
        both = replace(found, containers={**found.containers, other.name: other})
        assert not plan_absent(make_lab(), both).restore_sysctls


def test_the_choice_of_subnet_outlives_the_lab() -> None:
    found = replace(BARE, state=frozenset({"inventory", "disks", "known_hosts"}))
    assert plan_absent(make_lab(), found).remove_state == ("disks", "known_hosts")


def test_what_is_done_is_said_and_nothing_else() -> None:
    lab = make_lab()
    assert sentences(lab, Plan(), BARE) == []
    said = sentences(lab, plan_present(lab, HOST, BARE), BARE)
    assert any("max_user_instances goes from 128 to 1024" in sentence for sentence in said)
    assert "container demo-agent is made" in said
