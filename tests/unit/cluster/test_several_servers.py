"""Several servers: what cluster_config.yaml may say of them, and where their API is."""

from __future__ import annotations

import pytest

from data_miner.errors import ConfigError
from tests.unit.cluster.conftest import GOOD, Load

THREE = GOOD.replace("role: worker", "role: master").replace(", storage_only: true", "")
KEY = "  name: test\n"


@pytest.mark.parametrize(
    ("text", "host", "vip"),
    [
        (GOOD, "192.0.2.1", None),
        (THREE, "192.0.2.1", None),
        (THREE.replace(KEY, KEY + "  api_vip: 192.0.2.9\n"), "192.0.2.9", "192.0.2.9"),
        (THREE.replace(KEY, KEY + "  api_address: api.example.net\n"), "api.example.net", None),
    ],
    ids=["one", "three", "an address that moves", "a load balancer"],
)
def test_the_api_has_one_address(load: Load, text: str, host: str, vip: str | None) -> None:
    cluster = load(text)
    assert (cluster.api_host, cluster.api_vip) == (host, vip)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("api_vip: 192.0.2.2", "192.0.2.2 is the address of two"),
        ("api_vip: 10.42.0.9", "network of the pods"),
        ("api_vip: 10.43.0.9", "network of the services"),
        ("api_vip: 192.0.2.9\n  api_address: lb", "the API has one address"),
    ],
)
def test_an_address_that_cannot_work_is_refused(load: Load, keys: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load(THREE.replace(KEY, f"{KEY}  {keys}\n"))


def test_the_address_of_a_lab_lies_in_its_network(load: Load) -> None:
    small = THREE.replace("disk_limit_mb: 50000", "disk_limit_mb: 5000").replace("100000", "5000")
    text = small.replace(KEY, KEY + "  api_vip: 192.0.3.9\n") + "lab: {disk_mb: 60000}\n"
    with pytest.raises(ConfigError, match="one /24 subnet"):
        load(text)
