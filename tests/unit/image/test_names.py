"""References as containerd writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.images.names import normalise

PART = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
REFERENCE = st.builds(
    lambda parts, tag: "/".join(parts) + tag,
    st.lists(PART, min_size=1, max_size=3),
    st.sampled_from(["", ":1", ":lab"]),
)


@pytest.mark.parametrize(
    ("written", "stored"),
    [
        ("data-miner:lab", "docker.io/library/data-miner:lab"),
        ("data-miner", "docker.io/library/data-miner:latest"),
        ("grafana/loki:2.9.0", "docker.io/grafana/loki:2.9.0"),
        ("docker.io/postgres:16", "docker.io/library/postgres:16"),
        ("docker.io/grafana/loki:2.9.0", "docker.io/grafana/loki:2.9.0"),
        ("lab.local/postgres:15-debian", "lab.local/postgres:15-debian"),
        ("registry:5000/x", "registry:5000/x:latest"),
        ("localhost/x:1", "localhost/x:1"),
    ],
)
def test_a_reference_gets_its_registry_and_tag(written: str, stored: str) -> None:
    assert normalise(written) == stored


@given(REFERENCE)
def test_a_full_reference_stays(reference: str) -> None:
    assert normalise(normalise(reference)) == normalise(reference)
