"""The arguments that make a lab's containers."""

from __future__ import annotations

from dataclasses import replace

from miner_cluster.lab.containers import containers, engine_flags, limit_flags
from miner_cluster.lab.firewall import rules
from miner_cluster.lab.model import Host
from tests.unit.lab.factories import HOST, make_lab

PURE_V2 = Host(cgroup_v1=False, limits=None, modules=False)


def test_hardware_addresses_come_from_addresses_and_so_outlive_a_restart() -> None:
    argv = containers(make_lab(), HOST)["demo-agent"].argv
    assert "--network=data-miner-demo:ip=192.0.2.11,mac=02:4c:c0:00:02:0b" in argv


def test_podman_prepares_systemd_only_where_control_groups_have_version_2() -> None:
    old, new = (containers(make_lab(), host)["demo-server"].argv for host in (HOST, PURE_V2))
    assert "--systemd=false" in old
    assert "--systemd=always" in new
    assert engine_flags(HOST) == ["--runtime=runc", "--cgroup-manager=cgroupfs"]
    assert engine_flags(PURE_V2) == []


def test_limits_are_given_both_or_not_at_all() -> None:
    assert limit_flags(HOST) == []
    bound = replace(HOST, limits=(20_000, 30_000))
    assert limit_flags(bound) == ["--ulimit=nofile=20000:20000", "--ulimit=nproc=30000:30000"]
    assert containers(make_lab(), bound) == containers(make_lab(), HOST)


def test_another_program_makes_another_site_and_the_same_machines() -> None:
    lab = make_lab()
    assert lab.site is not None
    edited = replace(lab, site=replace(lab.site, content="2"))
    before, now = containers(lab, HOST), containers(edited, HOST)
    assert {name for name in now if now[name].recipe != before[name].recipe} == {"demo-site"}


def test_the_site_can_do_nothing_but_serve() -> None:
    argv = containers(make_lab(), HOST)["demo-site"].argv
    assert {"--read-only", "--cap-drop=all", "--user=nobody"} <= set(argv)
    assert all(flag.endswith(":ro") for flag in argv if flag.startswith("--volume"))


def test_traffic_on_the_bridge_keeps_its_address() -> None:
    assert rules(make_lab(), "podman1")["nat"] == (
        "-A POSTROUTING -s 192.0.2.0/24 -o podman1 -m comment --comment data-miner-demo -j ACCEPT"
    )
