#!/usr/bin/python
"""Ansible module: an archive for whoever helps."""

from __future__ import annotations

DOCUMENTATION = r"""
module: support_archive
short_description: Write what somebody needs who helps into one archive, without secrets
description:
  - Versions, configuration, objects, events, logs and metrics, from the API and the given files. What can't
    be had is named in its place, so a broken cluster has an archive too. Values of all Secrets and of
    O(secrets) are taken out wherever they stand, in Base64 too, and so is what looks like a key, a token or a
    password.
  - Where the API answers but does not give its Secrets, nothing is written, as nobody would know what to take
    out.
extends_documentation_fragment: [cluster]
options:
  path:
    description: The archive, which must not be there.
    type: path
    required: true
  machines:
    description: Of each machine what C(node_report) returned as C(texts); nothing for one that is away.
    type: dict
    default: {}
  status:
    description: What C(cluster_status) returned as C(report).
    type: dict
    default: {}
  files:
    description: Files on the controller that are put in.
    type: list
    elements: path
    default: []
  secrets:
    description: Further texts that must not be in it.
    type: list
    elements: str
    default: []
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Write the archive
  support_archive:
    path: support.tar.gz
    cluster: "{{ cluster }}"
  no_log: true
"""

RETURN = r"""
path:
  description: The archive.
  type: str
  returned: always
files:
  description: How many files are in it.
  type: int
  returned: always
known:
  description: >-
    Whether the API told its Secrets. Where it did not, only those given and what looks like one are taken out
  type: bool
  returned: always
"""

import json
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible.release import __version__ as ansible_version

from data_miner.errors import MinerError
from miner_cluster.cluster import CHECKOUT, Cluster, as_cluster
from miner_cluster.kube.api import Api, ApiError, KubeError
from miner_cluster.support import archive, collect
from miner_cluster.support.redact import Redactor

ARGUMENTS: dict[str, Any] = {
    "path": {"type": "path", "required": True},
    "cluster": {"type": "dict", "required": True},
    "machines": {"type": "dict", "default": {}},
    "status": {"type": "dict", "default": {}},
    "files": {"type": "list", "elements": "path", "default": []},
    "secrets": {"type": "list", "elements": "str", "default": []},
}


class SupportError(MinerError):
    """The archive can't be written."""


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Return what the module returns.

    Raises:
        SupportError: the archive can't be written, or nobody knows the secrets.
    """
    cluster, path = as_cluster(params["cluster"]), Path(params["path"]).absolute()
    if check:
        return {"changed": True, "path": str(path), "files": 0, "known": True}
    namespaces = [cluster.namespace, cluster.seaweedfs.namespace, "kube-system"]
    secrets, api, problem = list(params["secrets"]), None, ""
    try:
        api = Api(Path(cluster.state_dir) / "kubeconfig")
        secrets += collect.secrets(api, namespaces)
    except ApiError as error:
        raise SupportError(f"Nothing was written: the cluster's Secrets can't be read ({error})") from error
    except KubeError as error:
        api, problem = None, str(error)
    texts = [*_given(params, cluster, problem), *(collect.texts(api, namespaces) if api else ())]
    try:
        count = archive.write(path, texts, Redactor(secrets))
    except OSError as error:
        raise SupportError(f"{error.filename}: {error.strerror}") from error
    return {"changed": True, "path": str(path), "files": count, "known": api is not None}


def _given(params: dict[str, Any], cluster: Cluster, problem: str) -> Iterator[tuple[str, str]]:
    """Yield what is known without the API."""
    versions = {
        "ansible": ansible_version,
        "python": platform.python_version(),
        "controller": platform.platform(),
        "k3s": cluster.k3s_version,
        "data-miner": _checkout(),
        "api": problem or "answers",
    }
    yield "versions.json", json.dumps(versions, indent=1) + "\n"
    yield "cluster.json", json.dumps(cluster.plain(), indent=1) + "\n"
    if params["status"]:
        yield "status.json", json.dumps(params["status"], indent=1) + "\n"
    for file in map(Path, params["files"]):
        yield (
            f"config/{file.name}",
            file.read_text("utf-8", "replace") if file.is_file() else "is not there\n",
        )
    for name, texts in params["machines"].items():
        for file_name, text in texts.items():
            yield f"machines/{name}/{file_name}", text


def _checkout() -> str:
    """Return the commit of this checkout, as far as its files tell."""
    head = CHECKOUT / ".git" / "HEAD"
    if not head.is_file():
        return "no checkout"
    text = head.read_text().strip()
    ref = CHECKOUT / ".git" / text.removeprefix("ref: ")
    return ref.read_text().strip() if text.startswith("ref: ") and ref.is_file() else text
