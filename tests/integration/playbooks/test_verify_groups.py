"""Which machines exchange files with each other: all, or groups that can be asked at the same time."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from miner_cluster.cluster import CHECKOUT
from tests.integration.playbooks.conftest import ansible_playbook


def grouped(tmp_path: Path, machines: int, forks: int) -> list[list[str]]:
    """Return for each machine, in their order, those that it exchanges files with."""
    plays = yaml.safe_load((CHECKOUT / "playbooks/verify.yml").read_text())
    play = next(play for play in plays if play.get("strategy") == "free")
    names = play["tasks"][0]["shared_file"]["names"]
    told = {
        "copy": {
            "content": names.replace("}}", "| to_json }}"),
            "dest": f"{tmp_path}/{{{{ inventory_hostname }}}}",
        }
    }
    play |= {"hosts": "all", "connection": "local", "tasks": [told]}
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    hosts = [f"h{number}" for number in range(machines)]
    run = ansible_playbook(
        *("-i", f"{','.join(hosts)},", str(tmp_path / "play.yml"), "--forks", str(forks)),
        ANSIBLE_INVENTORY_ENABLED="host_list",
    )
    assert run.code == 0, run.output
    return [yaml.safe_load((tmp_path / host).read_text()) for host in hosts]


@pytest.mark.parametrize(
    ("machines", "forks", "sizes"), [(3, 20, {3}), (3, 3, {3}), (4, 3, {2}), (5, 4, {2, 1}), (2, 1, {1})]
)
def test_all_agree_on_groups_that_fit_into_what_is_asked_at_once(
    tmp_path: Path, machines: int, forks: int, sizes: set[int]
) -> None:
    groups = grouped(tmp_path, machines, forks)
    assert {len(group) for group in groups} == sizes
    for number, group in enumerate(groups):
        assert f"h{number}" in group
        assert all(groups[int(other[1:])] == group for other in group)
    # Those that Ansible asks first are together: others would wait for machines that are not asked yet.
    first = [int(name[1:]) for name in groups[0]]
    assert first == list(range(len(first)))
