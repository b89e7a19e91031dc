"""What k3s leaves behind is recognised, and what belongs to others is not."""

from __future__ import annotations

from module_utils.k3s_leftovers import (
    Process,
    our_ip_sets,
    our_mounts,
    our_processes,
    without_our_rules,
)

RULES = """\
*nat
:PREROUTING ACCEPT [0:0]
:CNI-HOSTPORT-DNAT - [0:0]
:KUBE-SERVICES - [0:0]
:DOCKER - [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 10.42.0.0/16 -m comment --comment "flanneld masq" -j MASQUERADE
-A KUBE-SERVICES -d 10.43.0.1/32 -j KUBE-SVC-1
COMMIT
"""


def test_rules_of_others_stay() -> None:
    assert without_our_rules(RULES).splitlines() == [
        "*nat",
        ":PREROUTING ACCEPT [0:0]",
        ":DOCKER - [0:0]",
        "-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER",
        "COMMIT",
    ]
    assert without_our_rules(without_our_rules(RULES)) == without_our_rules(RULES)


def process(pid: int, parent: int, command: str = "sh", cgroups: str = "0::/user.slice") -> Process:
    return Process(pid=pid, parent=parent, command=command, cgroups=cgroups)


def test_shims_of_k3s_go_with_all_that_they_started_and_others_shims_stay() -> None:
    shim = "/usr/bin/containerd-shim-runc-v2 -namespace k8s.io -address {}"
    found = our_processes(
        [
            process(1, 0, "/sbin/init"),
            process(10, 1, shim.format("/run/k3s/containerd/containerd.sock")),
            process(11, 10, "/pause"),
            process(12, 11),
            process(20, 1, shim.format("/run/containerd/containerd.sock")),
            process(21, 20, "/pause"),
            process(30, 1, "containerd", "1:name=systemd:/system.slice/k3s.service\n"),
            process(31, 1, "weed", "1:name=systemd:/kubepods/besteffort/pod1/c1\n"),
            process(40, 1, "k3s", "0::/system.slice/my-k3s.service\n"),
        ]
    )
    assert [one.pid for one in found] == [10, 11, 12, 30, 31]


def test_mounts_are_undone_from_the_inside_and_disks_are_not_ours() -> None:
    points = ["/", "/var/lib/kubelet", "/var/lib/kubelet/pods/1/v", "/var/lib/kubelet/pods/1/v/sub"]
    points += ["/run/netns/cni-1", "/run/netns/mine", "/var/lib/rancher", "/run/k3s/c/rootfs", "/data"]
    assert our_mounts(points) == [
        "/var/lib/kubelet/pods/1/v/sub",
        "/var/lib/kubelet/pods/1/v",
        "/run/k3s/c/rootfs",
        "/run/netns/cni-1",
    ]


def test_only_ip_sets_of_network_policies_are_ours() -> None:
    names = ["KUBE-SRC-X", "inet6:KUBE-DST-Y", "kube-router-local-ips", "blocklist"]
    assert our_ip_sets(names) == names[:3]
