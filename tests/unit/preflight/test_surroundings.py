"""What else runs on a machine and how it is connected: read from it, and told with what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from miner_cluster.cluster import Cluster
from miner_cluster.surroundings import surrounding_troubles, surrounding_warnings
from tests.modules import load_module
from tests.unit.preflight.conftest import Look

look = load_module("node_check").surroundings
UFW = """\
*filter
### RULES ###

### tuple ### allow any any 0.0.0.0/0 any 10.0.0.0/24 in
-A ufw-user-input -s 10.0.0.0/24 -j ACCEPT

### tuple ### allow tcp 22 0.0.0.0/0 any 0.0.0.0/0 in
### tuple ### deny any any 0.0.0.0/0 any 10.9.0.0/16 in
### END RULES ###
"""
EVERYBODY = ["172.31.77.0/24", "10.42.0.0/16", "10.43.0.0/16"]


def address(interface: str, ip: str, mtu: int = 1500) -> dict[str, Any]:
    return {"interface": interface, "address": ip, "prefix": 24, "mtu": mtu}


@pytest.mark.parametrize(
    ("changes", "found", "remedy"),
    [
        ({"missing_modules": ["br_netfilter"]}, "has no br_netfilter", "reboot it"),
        ({"missing_controllers": ["memory"]}, "does not limit memory", "cgroup_enable=memory"),
        ({"kubernetes": ["kubelet"]}, "another Kubernetes (kubelet.service)", "disable --now kubelet"),
        (
            {"firewall": {"name": "ufw", "allows": ["172.31.77.0/24"]}},
            "ufw keeps out 10.42.0.0/16, 10.43.0.0/16",
            "ufw allow from 10.42.0.0/16; ufw allow from 10.43.0.0/16",
        ),
        (
            {"firewall": {"name": "ufw", "allows": ["0.0.0.0/0%eth9", "10.42.0.0/15", "172.31.77.12"]}},
            "ufw keeps out 172.31.77.11",
            "ufw allow from 172.31.77.11",
        ),
        (
            {"firewall": {"name": "ufw", "allows": ["0.0.0.0/0%eth0"]}},
            "ufw keeps out 10.42.0.0/16, 10.43.0.0/16",
            "ufw allow from 10.42.0.0/16",
        ),
        (
            {"firewall": {"name": "firewalld", "allows": ["10.42.0.0/15", "172.31.77.11", "fd00::/8"]}},
            "firewalld keeps out 172.31.77.12",
            "firewall-cmd --permanent --zone=trusted --add-source=172.31.77.12; firewall-cmd --reload",
        ),
        (
            {"firewall": {"name": "nftables", "allows": EVERYBODY[1:], "chain": "inet filter input"}},
            "nftables keeps out 172.31.77.11, 172.31.77.12",
            "nft insert rule inet filter input ip saddr 172.31.77.11 accept",
        ),
        (
            {
                "firewall": {
                    "name": "",
                    "allows": [],
                    "forward": {"allows": [], "chain": "inet filter forward"},
                }
            },
            "passes on nothing of 10.42.0.0/16",
            "nft insert rule inet filter forward ip daddr 10.42.0.0/16 accept",
        ),
        (
            {"firewall": {"name": "", "allows": [], "forward": {"allows": ["0.0.0.0/0%cni0"], "chain": "c"}}},
            "pods do not reach those of other machines",
            "nft insert rule c ip saddr 10.42.0.0/16 accept",
        ),
        (
            {"firewall": {"name": "iptables", "allows": EVERYBODY[:2], "chain": "ip filter INPUT"}},
            "iptables keeps out 10.43.0.0/16",
            "iptables-legacy -I INPUT -s 10.43.0.0/16 -j ACCEPT; the same where",
        ),
        (
            {"firewall": {"name": "ufw", "allows": []}},
            "ufw keeps out",
            "Where they are let in by other rules: cluster.ignore_firewalls: true",
        ),
        (
            {"addresses": [address("lo", "127.0.0.1"), address("ens3", "10.0.0.5")]},
            "none of its interfaces has its address 172.31.77.10",
            "cluster.nodes.lab-server.ip: 10.0.0.5 (ens3)",
        ),
        (
            {"addresses": [address("docker0", "172.31.77.10"), address("ens3", "10.0.0.5")]},
            "its address 172.31.77.10 is that of docker0",
            "10.0.0.5 (ens3)",
        ),
    ],
)
def test_each_thing_in_the_way_is_named_with_what_to_do(
    cluster: Cluster, facts: Look, changes: dict[str, Any], found: str, remedy: str
) -> None:
    (only,) = surrounding_troubles(cluster, cluster.nodes["lab-server"], facts(**changes))
    assert only.where == "lab-server"
    assert found in only.found
    assert remedy in only.remedy


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"firewall": {"name": "ufw", "allows": EVERYBODY}},
        {"firewall": {"name": "firewalld", "allows": ["0.0.0.0/0"]}},
        # Pods come from the machine itself; other machines by the interface that has its address.
        {"firewall": {"name": "ufw", "allows": ["0.0.0.0/0%eth0", "10.42.0.0/15"]}},
        # The interfaces of pods, which most people write.
        {"firewall": {"name": "ufw", "allows": [*EVERYBODY[:1], "0.0.0.0/0%cni0", "0.0.0.0/0%flannel.1"]}},
        {
            "firewall": {
                "name": "nftables",
                "allows": [f"{EVERYBODY[0]}%e*", "0.0.0.0/0%cni*", "0.0.0.0/0%flannel*"],
            }
        },
        {"firewall": {"name": "", "allows": [], "forward": {"allows": ["10.42.0.0/16"], "chain": "c"}}},
        # A machine without the program ip says nothing of its addresses.
        {"addresses": []},
    ],
)
def test_what_is_well_is_in_nobodys_way(cluster: Cluster, facts: Look, changes: dict[str, Any]) -> None:
    assert surrounding_troubles(cluster, cluster.nodes["lab-server"], facts(**changes)) == []


def test_a_firewall_whose_rules_are_known_better_is_in_nobodys_way(cluster: Cluster, facts: Look) -> None:
    knows = cluster.model_copy(update={"ignore_firewalls": True})
    shut = facts(firewall={"name": "ufw", "allows": [], "forward": {"allows": [], "chain": "c"}})
    assert surrounding_troubles(knows, knows.nodes["lab-server"], shut) == []


@pytest.mark.parametrize(
    ("changes", "found", "remedy"),
    [
        ({"clock": []}, "nothing keeps its clock right", "apt-get install chrony"),
        ({"docker": True}, "runs Docker", "apt-get purge"),
        (
            {"firewall": {"name": "", "allows": [], "unread": "nft --json list chains: no rights"}},
            "nobody knows whether its firewall lets in",
            "run that command there as root",
        ),
        ({"nameservers": ["127.0.0.1", "::1"]}, "8.8.8.8", "/etc/resolv.conf"),
        (
            {"nvidia": {"gpus": ["0000:01:00.0"], "missing": ["No driver; install it"]}},
            "No driver",
            "install it",
        ),
    ],
)
def test_what_may_get_in_the_way_is_a_warning(
    cluster: Cluster, facts: Look, changes: dict[str, Any], found: str, remedy: str
) -> None:
    (only,) = surrounding_warnings(cluster, {"lab-server": facts(**changes)})
    assert found in only.found
    assert remedy in only.remedy
    assert surrounding_troubles(cluster, cluster.nodes["lab-server"], facts(**changes)) == []


def test_a_container_has_its_hosts_clock(cluster: Cluster, facts: Look) -> None:
    assert surrounding_warnings(cluster, {"lab-server": facts(clock=[], container="podman")}) == []


def test_machines_that_send_larger_packets_than_others_take_are_named(cluster: Cluster, facts: Look) -> None:
    machines = {
        name: facts(addresses=[address("eth0", node.ip, mtu)])
        for (name, node), mtu in zip(cluster.nodes.items(), (1500, 9000, 1500), strict=True)
    }
    (only,) = surrounding_warnings(cluster, machines)
    assert only.where == "lab-agent-1"
    assert "eth0 sends packets of 9000 bytes, others take 1500" in only.found
    assert "ip link set dev eth0 mtu 1500" in only.remedy


@pytest.mark.parametrize(
    ("holders", "warned"),
    [(["lab-server"], []), (["lab-server", "lab-agent-2"], ["lab-server", "lab-agent-2"]), ([], [])],
)
def test_servers_that_have_the_apis_address_at_once_do_not_hear_each_other(
    cluster: Cluster, facts: Look, holders: list[str], warned: list[str]
) -> None:
    nodes = {name: node.model_copy(update={"role": "server"}) for name, node in cluster.nodes.items()}
    several = cluster.model_copy(update={"nodes": nodes, "api_vip": "172.31.77.9"})
    addresses = {
        name: [address("eth0", node.ip), *([address("eth0", "172.31.77.9")] if name in holders else [])]
        for name, node in nodes.items()
    }
    found = surrounding_warnings(several, {name: facts(addresses=addresses[name]) for name in nodes})
    assert [warning.where for warning in found if "VRRP" in warning.found] == warned


def test_a_service_runs_for_as_long_as_it_has_a_control_group(tmp_path: Path) -> None:
    (tmp_path / "two/system.slice/chrony.service").mkdir(parents=True)
    roots = (tmp_path / "one", tmp_path / "two")
    assert look.running(look.CLOCKS, roots) == ["chrony"]
    assert look.running(("docker",), roots) == []


def test_a_module_is_missing_where_it_is_neither_loaded_nor_built_in_nor_to_be_loaded(tmp_path: Path) -> None:
    modules, proc, loaded = tmp_path / "modules", tmp_path / "proc", tmp_path / "loaded"
    for directory in (modules, proc, loaded / "br_netfilter"):
        directory.mkdir(parents=True)
    (modules / "modules.dep").write_text("kernel/fs/overlayfs/overlay.ko.xz: \n")
    assert look.missing_modules(modules, proc, loaded) == ["vxlan"]
    (modules / "modules.builtin").write_text("kernel/drivers/net/vxlan/vxlan.ko\n")
    assert look.missing_modules(modules, proc, loaded) == []


def test_without_the_kernels_modules_only_what_shows_itself_counts(tmp_path: Path) -> None:
    (tmp_path / "sys/net/bridge").mkdir(parents=True)
    (tmp_path / "filesystems").write_text("nodev\ttmpfs\nnodev\toverlay\n")
    assert look.missing_modules(tmp_path / "none", tmp_path, tmp_path / "none") == []
    (tmp_path / "filesystems").write_text("nodev\ttmpfs\n")
    assert look.missing_modules(tmp_path / "none", tmp_path, tmp_path / "none") == ["overlay"]


def test_controllers_that_are_off_are_found_in_both_versions() -> None:
    assert look.missing_controllers("cpuset cpu io pids\n", "") == ["memory"]
    head = "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
    rows = "".join(f"{name}\t1\t1\t{int(name != 'memory')}\n" for name in look.CONTROLLERS)
    assert look.missing_controllers("", head + rows) == ["memory"]


def test_only_rules_that_let_everything_of_a_network_in_count() -> None:
    assert look.ufw_allows(UFW, "") == ["10.0.0.0/24"]
    assert look.ufw_allows("", 'DEFAULT_INPUT_POLICY="ACCEPT"\n') == ["0.0.0.0/0"]
    assert look.firewalld_allows('<zone><source address="10.42.0.0/16"/></zone>', "") == ["10.42.0.0/16"]
    assert look.firewalld_allows("", "# DefaultZone=trusted\nDefaultZone=public\n") == []
    assert look.firewalld_allows("", "DefaultZone=trusted\n") == ["0.0.0.0/0"]


@pytest.mark.parametrize(
    ("rule", "allows"),
    [
        ("allow any any 0.0.0.0/0 any 10.1.0.0/16 in comment=636c7573746572", ["10.1.0.0/16"]),
        ("allow_log any any 0.0.0.0/0 any 10.1.0.0/16 in", ["10.1.0.0/16"]),
        ("allow any any 0.0.0.0/0 any 0.0.0.0/0 in_eth1", ["0.0.0.0/0%eth1"]),
        ("allow any any 0.0.0.0/0 any 0.0.0.0/0 in_cni+", ["0.0.0.0/0%cni*"]),
        ("allow any any 0.0.0.0/0 any 0.0.0.0/0 out", []),
        ("allow any any 0.0.0.0/0 any 0.0.0.0/0 OpenSSH - in", []),
        ("route:allow any any 0.0.0.0/0 any 0.0.0.0/0 in_eth1", []),
    ],
)
def test_a_rule_of_ufw_counts_also_with_a_comment_a_log_or_an_interface(rule: str, allows: list[str]) -> None:
    assert look.ufw_allows(f"### tuple ### {rule}\n", "") == allows


def test_an_interface_that_firewalld_trusts_lets_in_what_comes_there() -> None:
    assert look.firewalld_allows('<zone><interface name="eth1"/></zone>', "") == ["0.0.0.0/0%eth1"]
    assert look.firewalld_allows('<zone><interface name="cni+"/></zone>', "") == ["0.0.0.0/0%cni*"]


def test_a_firewall_that_is_switched_off_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(look.nftables, "PROGRAMS", ())  # whatever rules this machine has
    (tmp_path / "ufw").mkdir()
    (tmp_path / "ufw/user.rules").write_text(UFW)
    (tmp_path / "ufw/ufw.conf").write_text("ENABLED=no\n")
    assert look.firewall(tmp_path)["name"] == ""
    (tmp_path / "ufw/ufw.conf").write_text("ENABLED=yes\n")
    assert look.firewall(tmp_path) == {"name": "ufw", "allows": ["10.0.0.0/24"]}


def test_addresses_are_read_with_their_interface_and_mtu() -> None:
    infos = [
        {"family": "inet", "local": "10.0.0.5", "prefixlen": 24},
        {"family": "inet6", "local": "fe80::1", "prefixlen": 64},
    ]
    links = [{"ifname": "eth0", "mtu": 1500, "addr_info": infos}, {"ifname": "eth1", "mtu": 1500}]
    assert look.addresses(json.dumps(links)) == [address("eth0", "10.0.0.5")]
    assert look.addresses("") == []


def test_name_servers_are_read() -> None:
    assert look.nameservers("# nameserver 1.1.1.1\nsearch lan\nnameserver 10.0.0.1\n") == ["10.0.0.1"]
