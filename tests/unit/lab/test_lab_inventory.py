"""Inventories of further labs."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster import lab_inventory
from miner_cluster.cluster import CHECKOUT, resolve_cluster
from miner_cluster.config_file import load_cluster_file
from miner_cluster.lab.errors import LabError
from miner_cluster.lab.subnets import routed_subnets
from miner_cluster.lab_inventory import (
    check_name,
    free_number,
    inventory_text,
    main,
    require_inventory,
    write_inventory,
)

LAB = CHECKOUT / "inventory" / "lab" / "cluster_config.yaml"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a checkout with the default lab, on a machine with one route."""
    monkeypatch.setattr(lab_inventory, "routed", lambda: {"172.31.80.0/24": "eth0"})
    monkeypatch.setattr(lab_inventory, "podman_subnets", lambda: {"172.31.81.0/24": "theirs"})
    copy = tmp_path / "inventory" / "lab" / "cluster_config.yaml"
    copy.parent.mkdir(parents=True)
    copy.write_text(LAB.read_text())
    return tmp_path


def test_the_first_free_subnet_is_chosen_and_kept(checkout: Path) -> None:
    first = write_inventory("one", checkout=checkout)
    text = first.read_text()
    assert "172.31.82.10" in text
    assert "172.31.83.10" in write_inventory("two", checkout=checkout).read_text()
    first.write_text(text + "# mine\n")
    assert write_inventory("one", checkout=checkout).read_text() == text + "# mine\n"


def test_what_is_written_is_the_default_lab_under_another_name(checkout: Path) -> None:
    path = write_inventory("one", checkout=checkout)
    mine = resolve_cluster(load_cluster_file(path).file, config_file=path, checkout=checkout)
    default = resolve_cluster(load_cluster_file(LAB).file, config_file=LAB)
    assert mine.name == "one"
    assert mine.lab is not None
    assert mine.lab.site_ip == "172.31.82.2"
    assert mine.nodes.keys() == default.nodes.keys()
    assert {node.ip for node in mine.nodes.values()}.isdisjoint(node.ip for node in default.nodes.values())
    assert mine.workers == default.workers
    assert "172.31.77." not in path.read_text()


def test_the_schema_is_named_by_its_path_from_there() -> None:
    assert "$schema=../../../schemas/" in inventory_text(LAB.read_text(), "one", 90)


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a/b", "..", "a" * 18, "lab", "molecule"])
def test_a_name_that_can_name_no_lab_is_refused(name: str) -> None:
    with pytest.raises(LabError, match=f"LAB={name}"):
        check_name(name, reserved={"lab", "molecule"})


def test_a_wrong_name_is_an_error_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["No"]) == 1
    assert capsys.readouterr().err.startswith("error: LAB=No: a lab's name should be")


def test_a_lab_that_was_never_made_is_refused_with_those_that_there_are(checkout: Path) -> None:
    write_inventory("mine", checkout=checkout)
    require_inventory("mine", checkout=checkout)
    with pytest.raises(LabError, match=r"LAB=mien: there is no such lab here; there are: mine$"):
        require_inventory("mien", checkout=checkout)


def test_no_free_subnet_is_an_error() -> None:
    with pytest.raises(LabError, match="all taken"):
        free_number(["172.16.0.0/12"])


def test_routes_that_lead_far_away_are_no_obstacle() -> None:
    routes = [
        {"dst": "default", "dev": "eth0"},
        {"dst": "172.16.0.0/12", "dev": "tun0"},
        {"dst": "172.31.80.0/20", "dev": "eth0", "scope": "link"},
        {"dst": "172.31.99.1", "dev": "eth1"},
    ]
    assert routed_subnets(routes) == {"172.31.80.0/20": "eth0", "172.31.99.1/32": "eth1"}
