"""The kinds of values that cluster_config.yaml holds, each with a check that says what would be right."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

from miner_cluster import quantities

#: volume-<node> names a StatefulSet, and Kubernetes adds a hash to its labels of at most 63 characters
MAX_NODE_NAME = 45
_THIS_NETWORK = ipaddress.ip_network("0.0.0.0/8")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_RESERVED_NODE_NAMES = {"all", "ungrouped", "localhost", "server", "agent", "gpu", "gone"}
_SYSTEM = (
    *("/bin", "/boot", "/dev", "/etc", "/lib", "/lib32", "/lib64", "/proc", "/root", "/run", "/sbin", "/sys"),
    *("/usr", "/var/run", "/var/log", "/var/lib/rancher", "/var/lib/kubelet", "/var/lib/containerd"),
    *("/var/lib/cni", "/var/lib/dpkg", "/var/lib/data-miner", "/var/cache"),
    *("/tmp", "/var/tmp"),  # noqa: S108 - nothing is written there: they are emptied now and then
)
_KUBELET_LABELS = frozenset({"kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"})
#: hold directories of the system or of people, and are none to be shared or owned as a whole
_PARENTS = frozenset({"/", "/home", "/media", "/mnt", "/opt", "/srv", "/var", "/var/lib"})
_PATH = re.compile(r"/[A-Za-z0-9._/-]*")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{1,5})?/)?"
_REPOSITORY = re.compile(rf"{_HOST}{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_HOST_PART = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def dns_label(value: str) -> str:
    """Check that a value is an RFC 1123 label.

    Raises:
        ValueError: in words, what one is.
    """
    if not _LABEL.fullmatch(value):
        raise ValueError("should be an RFC 1123 name: lower-case letters, digits and -, at most 63")
    return value


def _node_name(value: str) -> str:
    dns_label(value)
    if len(value) > MAX_NODE_NAME:
        raise ValueError(f"should have at most {MAX_NODE_NAME} characters")
    if value in _RESERVED_NODE_NAMES:
        raise ValueError("is a name that Ansible or this project uses for something else")
    return value


def _namespace(value: str) -> str:
    dns_label(value)
    if value == "default" or value.startswith("kube-"):
        raise ValueError("is Kubernetes's own namespace; choose one that may be created and removed")
    return value


def _ipv4(value: str) -> str:
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        raise ValueError("should be an IPv4 address such as 192.0.2.10") from None
    if not isinstance(address, ipaddress.IPv4Address):
        raise ValueError("should be an IPv4 address; IPv6 is not supported")
    if address.is_loopback or address.is_multicast or address.is_reserved or address in _THIS_NETWORK:
        raise ValueError("should be an address under which the other machines reach this one")
    return value


def absolute_path(value: str) -> str:
    """Check that a value is a plain absolute path.

    Raises:
        ValueError: in words, why not.
    """
    if not _PATH.fullmatch(value):
        raise ValueError("should be an absolute path of letters, digits and . _ - /")
    path = PurePosixPath(value)
    if str(path) != value or ".." in path.parts:
        raise ValueError("should be written without //, .. or a / at its end")
    return value


def _data_path(value: str) -> str:
    path = PurePosixPath(absolute_path(value))
    system = next((name for name in _SYSTEM if path.is_relative_to(name)), None)
    if system:
        raise ValueError(f"lies in the system directory {system}; choose one of its own, such as /data/…")
    if str(path) in _PARENTS:
        raise ValueError(f"{path} holds other directories too; choose one of its own, such as /data/…")
    return value


def _mount_path(value: str) -> str:
    if str(PurePosixPath(_data_path(value)).parent) in _PARENTS:
        raise ValueError(
            "needs a directory of its own above it, such as /swdfs_mnt/swshared: that one is shared with pods"
        )
    return value


def _image_reference(value: str) -> str:
    name, at, digest = value.partition("@")
    last = name.rsplit("/", 1)[-1]
    repository, colon, tag = name.rpartition(":") if ":" in last else (name, "", "")
    good = _REPOSITORY.fullmatch(repository) and (not colon or _TAG.fullmatch(tag))
    if not good or (at and not _DIGEST.fullmatch(digest)):
        raise ValueError("should be an image reference such as postgres:16 or registry.example/team/name:1.2")
    return value


def _matching(pattern: re.Pattern[str], wanted: str) -> Callable[[str], str]:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(f"should be {wanted}")
        return value

    return check


def _range(size: Callable[[str], int]) -> Callable[[str], str]:
    def check(value: str) -> str:
        quantities.split_range(value, size)
        return value

    return check


DnsLabel = Annotated[str, AfterValidator(dns_label)]
NodeName = Annotated[str, AfterValidator(_node_name)]
Namespace = Annotated[str, AfterValidator(_namespace)]
Ipv4 = Annotated[str, AfterValidator(_ipv4)]
DataPath = Annotated[str, AfterValidator(_data_path)]
MountPath = Annotated[str, AfterValidator(_mount_path)]
ImageReference = Annotated[str, AfterValidator(_image_reference)]
ImageName = Annotated[
    str, AfterValidator(_matching(_REPOSITORY, "an image name without a tag, such as data-miner"))
]
ImageTag = Annotated[str, AfterValidator(_matching(_TAG, "a tag of letters, digits and . _ -"))]
K3sVersion = Annotated[
    str,
    AfterValidator(
        _matching(re.compile(r"v[0-9]+\.[0-9]+\.[0-9]+\+k3s[0-9]+"), "a k3s release such as v1.31.0+k3s1")
    ),
]
HostAddress = Annotated[
    str,
    AfterValidator(
        _matching(
            re.compile(rf"(?=.{{1,253}}$){_HOST_PART}(?:\.{_HOST_PART})*"),
            "a host name or an IPv4 address, without https:// and port",
        )
    ),
]
User = Annotated[
    str, AfterValidator(_matching(re.compile(r"[a-z_][a-z0-9_-]{0,31}"), "a login name such as root"))
]
Replication = Annotated[
    str,
    AfterValidator(_matching(re.compile(r"[0-2]{3}"), 'three digits from 0 to 2 in quotes, such as "001"')),
]
TimeOfDay = Annotated[
    str,
    AfterValidator(
        _matching(re.compile(r"([01]\d|2[0-3]):[0-5]\d"), 'a time of day in quotes such as "03:17"')
    ),
]
LocationName = Annotated[
    str,
    AfterValidator(
        _matching(re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"), "a name of letters, digits and . _ -")
    ),
]
CpuRange = Annotated[str, AfterValidator(_range(quantities.millicores))]
MemoryRange = Annotated[str, AfterValidator(_range(quantities.memory_bytes))]
Text = Annotated[str, Field(min_length=1)]
Port = Annotated[int, Field(ge=1, le=65535)]
NodePort = Annotated[int, Field(ge=30000, le=32767)]
#: at most a petabyte
Megabytes = Annotated[int, Field(ge=0, le=10**9)]
Replicas = Annotated[int, Field(ge=0, le=1000)]
_LABEL_KEY = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


_TAINT = re.compile(
    rf"{_LABEL_KEY.pattern}(?:={_LABEL_VALUE.pattern})?:(?:NoSchedule|PreferNoSchedule|NoExecute)"
)
#: Kubernetes sets and removes these itself
_OWN_TAINTS = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")


def _free_taint(value: str) -> str:
    if value.startswith(_OWN_TAINTS):
        raise ValueError("is set by Kubernetes itself, by how the machine is")
    return value


def _free_label(value: str) -> str:
    if value in _KUBELET_LABELS or value.startswith("data-miner/"):
        raise ValueError("is set by Kubernetes or by these playbooks, and pods find their place by it")
    return value


NodeLabels = dict[
    Annotated[
        str,
        AfterValidator(_matching(_LABEL_KEY, "a label key such as example.com/rack")),
        AfterValidator(_free_label),
    ],
    Annotated[
        str, AfterValidator(_matching(_LABEL_VALUE, "a label value of at most 63 letters, digits and . _ -"))
    ],
]
NodeTaint = Annotated[
    str,
    AfterValidator(
        _matching(
            _TAINT,
            "a taint such as dedicated=mining:NoSchedule (or :NoExecute, :PreferNoSchedule)",
        )
    ),
    AfterValidator(_free_taint),
]
