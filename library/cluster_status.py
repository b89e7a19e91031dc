#!/usr/bin/python
"""Ansible module: a cluster's state in one picture."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cluster_status
short_description: Look at a whole cluster and put what was seen together
description:
  - Reads nodes, workloads and pods from the API, asks the application for the counts of its projects and
    Grafana for its health, and returns it all as data, as a text for people, and as a list of problems.
    Changes nothing, and a problem does not make it fail.
extends_documentation_fragment: [cluster]
options:
  looks:
    description: Of each machine what C(shared_file) returned. Machines that are away are left out.
    type: dict
    default: {}
  stand_ins:
    description: Sentences about what stands in for what.
    type: list
    elements: str
    default: []
  objects:
    description: Every object of the cluster as it is rendered, to be compared; none leaves that out.
    type: list
    elements: dict
    default: []
  project:
    description: The project whose first frames are waited for; empty for none.
    type: str
    default: ""
  counts:
    description: What M(project_counts) returned just now; it is asked for where that is not given.
    type: dict
  wait_s:
    description: >-
      Seconds to wait at most for these frames and for the database to answer;
      at most 60 for a problem to pass.
    type: int
    default: 0
  who:
    description: Ask the first server whether a run changes the cluster now, and whose it is.
    type: bool
    default: false
attributes:
  check_mode: {support: full}
author: [data-miner]
"""

EXAMPLES = r"""
- name: Look at the cluster
  cluster_status:
    cluster: "{{ cluster }}"
  register: status
"""

RETURN = r"""
report:
  description: Everything that was seen.
  type: dict
  returned: always
text:
  description: The report for people.
  type: str
  returned: always
problems:
  description: What is wrong; empty when all is well.
  type: list
  elements: str
  returned: always
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.utils.display import Display

from data_miner.certificate import CertificateError, first_end
from data_miner.errors import ConfigError
from miner_cluster import k3s_certificates, lab_models
from miner_cluster.app_config import MinerConfig, load_miner_config
from miner_cluster.backup.sets import latest
from miner_cluster.cluster import Cluster, as_cluster
from miner_cluster.in_process import module
from miner_cluster.kube.api import Api, KubeError
from miner_cluster.kube.deployed import storage_certificates
from miner_cluster.kube.drift import drift
from miner_cluster.kube.look import Counts, look
from miner_cluster.kube.secrets import generated, missing_secrets
from miner_cluster.kube.service_health import service_problems
from miner_cluster.kube.waiting import Wait
from miner_cluster.manifests import PHASES
from miner_cluster.report import (
    Report,
    backup_warnings,
    build,
    certificate_problems,
    project_problems,
)
from miner_cluster.report_text import as_text
from miner_cluster.run_lock.take import look as look_for_run
from miner_cluster.storage_security import COMPONENTS, secret_name

ARGUMENTS: dict[str, Any] = {
    "cluster": {"type": "dict", "required": True},
    "looks": {"type": "dict", "default": {}},
    "stand_ins": {"type": "list", "elements": "str", "default": []},
    "objects": {"type": "list", "elements": "dict", "default": []},
    "project": {"type": "str", "default": ""},
    "counts": {"type": "dict"},
    "wait_s": {"type": "int", "default": 0},
    "who": {"type": "bool", "default": False},
}

#: seconds that a problem may take to pass, where waiting is asked for
SETTLE_S = 60.0
POLL_S = 3.0


def see(params: dict[str, Any]) -> Report:
    """Return the report; whatever can't be seen is a problem in it."""
    cluster = as_cluster(params["cluster"])
    problems: list[str] = []
    projects: Counts = {}
    seen = None
    drifted: list[str] = []
    end: datetime | None = None
    last_backup, now = _last_backup(cluster, problems), datetime.now(UTC)
    try:
        # The counts come first: they may be waited for, and the rest should be of the same moment.
        api = Api(Path(cluster.state_dir) / "kubeconfig")
        api.raw("GET", "/readyz")
        if "monitor" in cluster.workers:
            projects = _counts(cluster, params, problems)
        problems += service_problems(api, cluster)
        namespaces = [cluster.seaweedfs.namespace, cluster.namespace]
        seen = look(api, namespaces)
        if params["objects"]:
            drifted = drift(api, params["objects"], PHASES, namespaces)
            drifted += missing_secrets(api, cluster.namespace, generated(cluster))
            names = [secret_name(component) for component in COMPONENTS]
            drifted += missing_secrets(api, cluster.seaweedfs.namespace, names)
        certificates = storage_certificates(api, cluster.seaweedfs.namespace)
        if certificates:
            end = first_end(certificates.values())
            problems += certificate_problems(end, now)
    except (KubeError, CertificateError) as error:
        problems.append(str(error))
    k3s_ends = _k3s_ends(params["looks"], problems)
    config = _config(cluster, problems)
    problems += k3s_certificates.problems(k3s_ends, now)
    return build(
        cluster,
        nodes=seen.nodes if seen else None,
        workloads=seen.workloads if seen else [],
        pods=seen.pods if seen else [],
        looks=params["looks"],
        projects=projects,
        stand_ins=[*params["stand_ins"], *(lab_models.stand_ins(cluster, config) if config else [])],
        certificates_end=end,
        k3s_certificates_end=min(k3s_ends.values()).at if k3s_ends else None,
        last_backup=last_backup,
        at_work=look_for_run(cluster) if params["who"] else "",
        drift=drifted,
        warnings=backup_warnings(last_backup, cluster.backup.daily_at, now),
        problems=problems,
        limits=config.typed.storage if config else None,
    )


def _last_backup(cluster: Cluster, problems: list[str]) -> datetime | None:
    """Return when the newest backup was begun; that nobody may look is a problem."""
    try:
        return latest(Path(cluster.backup.dir))
    except OSError as error:
        problems.append(f"{cluster.backup.dir}: {error.strerror}; no backup of it can be seen (backup.dir)")
        return None


def _k3s_ends(looks: dict[str, Any], problems: list[str]) -> dict[str, k3s_certificates.End]:
    """Return when k3s' certificates end; one that can't be read is a problem."""
    try:
        return k3s_certificates.first_ends(looks)
    except CertificateError as error:
        problems.append(f"a certificate of k3s can't be read: {error}")
        return {}


def _config(cluster: Cluster, problems: list[str]) -> MinerConfig | None:
    """Return the application's configuration; one that can't be read is a problem."""
    try:
        return load_miner_config(cluster)
    except ConfigError as error:
        problems.append(str(error))
        return None


def _counts(cluster: Cluster, params: dict[str, Any], problems: list[str]) -> Counts:
    asked = {key: params[key] for key in ("cluster", "project", "wait_s")}
    found = params["counts"] or module("project_counts").run(asked, check=True)
    projects: Counts = found["projects"]
    if found["problem"]:
        problems.append(found["problem"])
    else:
        problems += project_problems(projects, params["project"], cluster.namespace)
    return projects


def run(params: dict[str, Any], *, check: bool) -> dict[str, Any]:  # noqa: ARG001 - nothing is changed
    """Return what the module returns; a problem may pass while there is time, as a slow probe's does."""
    report = see(params)
    waiting = Wait(Display().display)
    while report["problems"] and waiting.waited_s < min(params["wait_s"], SETTLE_S):
        waiting.again("; ".join, report["problems"], poll_s=POLL_S)
        report = see(params | {"counts": None})
    return {"changed": False, "report": report, "text": as_text(report), "problems": report["problems"]}
