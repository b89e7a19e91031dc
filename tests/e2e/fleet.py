"""A small lab with three servers and two agents: its file, its machines, and a pipeline that is at work."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from miner_cluster.kube.servers import MEMBER_LABEL, VOTER
from miner_cluster.lab.host import look
from miner_cluster.lab.podman import podman
from miner_cluster.lab_inventory import write_inventory
from tests.e2e.api_outage import asking, client
from tests.e2e.items import lost, read_items
from tests.e2e.lab import ROOT, Lab, Run, wait_for

VIP, SITE = 9, 2
#: of SeaweedFS on each machine: four volumes, so that what does not fit elsewhere is soon written
LIMIT_MB = 256
#: searches that wait at the beginning, and how long each takes: work for half an hour that costs little CPU
QUERIES, SEARCH_S = 1200, 3
SERVERS = {"one": 11, "two": 12, "three": 13}
AGENTS = {"agent-1": 21, "agent-2": 22}
PROJECT = "fleet"


@dataclass(frozen=True, kw_only=True)
class Fleet(Lab):
    """The lab, whose file is written by `describe`."""

    @property
    def file(self) -> Path:
        """The lab's cluster_config.yaml."""
        return self.inventory / "cluster_config.yaml"

    @property
    def number(self) -> str:
        """The third number of its subnet."""
        found = re.search(r"172\.31\.(\d+)\.", self.file.read_text("utf-8"))
        assert found is not None
        return found[1]

    def describe(
        self,
        servers: dict[str, int],
        agents: dict[str, int],
        *,
        taints: dict[str, list[str]] | None = None,
        search_s: int = SEARCH_S,
        **sections: dict[str, Any],
    ) -> None:
        """Write the lab's file: machines by the last number of their address, and other keys of sections."""
        text = (ROOT / "inventory/lab/cluster_config.yaml").read_text("utf-8")
        config = yaml.safe_load(text.replace("172.31.77.", f"172.31.{self.number}."))
        roles = dict.fromkeys(servers, "master") | dict.fromkeys(agents, "worker")
        config["cluster"] |= {
            "name": self.name,
            "nodes": {
                name: {
                    "ip": self.address(number),
                    "role": roles[name],
                    "gpu": False,
                    "disk_limit_mb": LIMIT_MB,
                    "taints": (taints or {}).get(name, []),
                }
                for name, number in {**servers, **agents}.items()
            },
        }
        if len(servers) > 1:
            config["cluster"]["api_vip"] = self.address(VIP)
        config["lab"]["disk_mb"] = 9000
        config["run_config"] = str(self.inventory / "run_config.yaml")
        config["backup"] = {"dir": str(self.state / "backups")}
        config["workers"]["download"]["replicas"] = 2
        config["k3s_app_overrides"]["download"]["extractor_args"]["labsearch"]["pause_s"] = [str(search_s)]
        for key in ("models", "models_base"):
            del config["image"][key]
        for name in ("filter", "dedup", "detect"):
            del config["workers"][name]
            del config["k3s_app_overrides"][name]
        config["infrastructure"] = {"postgres": config["infrastructure"]["postgres"]}
        for name, keys in sections.items():
            config[name] |= keys
        self.file.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")

    def address(self, number: int) -> str:
        """An address in the lab's subnet."""
        return f"172.31.{self.number}.{number}"

    def site(self, *args: str) -> Run:
        """Run site.yml, with the machines made that the file names."""
        self.play("playbooks/lab.yml").ok()
        return self.play("site.yml", *args)

    def ready(self) -> set[str]:
        """Names of the nodes that are Ready."""
        return {node["metadata"]["name"] for node in self.get("nodes")["items"] if _says(node, "Ready")}

    def voters(self) -> set[str]:
        """Names of the servers with a vote in etcd."""
        nodes = self.get("nodes", "-l", MEMBER_LABEL)["items"]
        return {node["metadata"]["name"] for node in nodes if _says(node, VOTER)}

    def holder(self) -> str:
        """The server that has the API's address."""
        return next(name for name in self.nodes() if self.has_vip(name))

    def has_vip(self, node: str) -> bool:
        """Whether a machine has the API's address."""
        return f"{self.address(VIP)}/" in self.ssh(node, "ip -4 -oneline address").stdout

    def pods(self, namespace: str, node: str) -> set[str]:
        """The pods of a namespace that a machine runs, by their IDs."""
        there = self.get("pods", "-n", namespace, "--field-selector", f"spec.nodeName={node}")["items"]
        return {pod["metadata"]["uid"] for pod in there if pod["status"]["phase"] == "Running"}

    def tokens(self) -> set[str]:
        """Digests of the tokens by which the machines join, or let others join."""
        files = "/var/lib/rancher/k3s/server/token /etc/rancher/k3s/join-token"
        said = [self.ssh(node, f"sha256sum {files} 2>/dev/null").stdout for node in self.nodes()]
        return {line.split()[0] for text in said for line in text.splitlines()}

    def destroy(self, node: str) -> None:
        """Take a machine away with its disk, as fire does."""
        podman(look(), "rm", "--force", "--time=0", f"{self.name}-{node}")
        (self.state / "disks" / f"{node}.img").unlink()

    def switch_off(self, node: str) -> None:
        """Take a machine's power."""
        podman(look(), "stop", "--time=0", f"{self.name}-{node}")

    def items(self) -> dict[int, str]:
        """The state of each item of the project by its ID."""
        return read_items(self, PROJECT)

    def counts(self) -> Counter[str]:
        """How many items of the project there are in each state."""
        return Counter(self.items().values())


def describe_work(lab: Fleet, *, in_vain: int) -> None:
    """Write the project: all clips of the site, and so many searches that find nothing more."""
    found = ["bicycle", "rabbit", "world", "interview"]
    run_config = {
        "project": PROJECT,
        "stages": ["search", "download", "extract"],
        "search": {
            "max_results_per_query": 5,
            "queries": [*found, *(f"rabbit {number}" for number in range(in_vain))],
        },
        "extract": {"mode": "fps", "fps": 2, "max_frames": 200},
    }
    (lab.inventory / "run_config.yaml").write_text(yaml.safe_dump(run_config), "utf-8")


def _says(node: dict[str, Any], condition: str) -> bool:
    return any(
        one["type"] == condition and one["status"] == "True" for one in node["status"].get("conditions", [])
    )


@contextlib.contextmanager
def fleet() -> Iterator[tuple[Fleet, Run]]:
    """The lab made from nothing, and that run; removed afterwards unless KEEP_LAB is set."""
    lab = Fleet(name=f"fleet-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:6]}")
    if lab.inventory.exists():
        lab.make("lab-down").ok()
        # Its file stays, with a subnet that another lab may have by now.
        shutil.rmtree(lab.inventory)
    write_inventory(lab.name)
    lab.describe(SERVERS, AGENTS)
    describe_work(lab, in_vain=0)
    try:
        yield lab, lab.make("site").ok()
    finally:
        if not os.environ.get("KEEP_LAB"):
            lab.make("lab-down").ok()


def _done(items: dict[int, str]) -> int:
    return list(items.values()).count("done")


@contextlib.contextmanager
def watched(lab: Fleet, what: str) -> Iterator[dict[str, object]]:
    """An event while the pipeline is at work; afterwards no item is lost, and the figures are printed.

    What is put into the figures within the block is printed too.
    """
    before = wait_for("the items", lab.items)
    assert "ready" in before.values(), "the project came to its end before the tests; raise QUERIES"
    figures: dict[str, object] = {"event": what}
    began = time.monotonic()
    with client(lab.state / "kubeconfig") as api, asking(lab.items) as database:
        yield figures
        after = wait_for("the items", lab.items)
    done = [_done(before), _done(after)]
    figures |= {
        "took_s": round(time.monotonic() - began),
        "reads_away_s": round(api.reads.longest_s(), 1),
        "writes_away_s": round(api.writes.longest_s(), 1),
        "database_away_s": round(database.longest_s()),
        "done_before": done[0],
        "done_after": done[1],
        "items_before": len(before),
        "items_after": len(after),
        "lost": lost(before, after),
        "load": round(os.getloadavg()[0]),
    }
    print(json.dumps(figures))
    assert figures["lost"] == []
    assert "dead" not in after.values()
    wait_for("the pipeline goes on", lambda: _done(lab.items()) > done[0])
