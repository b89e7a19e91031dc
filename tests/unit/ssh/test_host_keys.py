"""Host keys are recorded when a machine is first seen, and one that has changed is refused."""

from __future__ import annotations

import base64
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from miner_cluster.ssh.host_keys import Keys, fingerprint, parse, plan, record, recorded

ONE, TWO = (base64.b64encode(text).decode() for text in (b"one", b"two"))
MACHINES = {"a": ("10.0.0.1", 22), "b": ("10.0.0.2", 2222)}
keys = st.dictionaries(st.sampled_from(["ssh-ed25519", "ssh-rsa"]), st.sampled_from([ONE, TWO]), min_size=1)


def test_a_machine_that_was_never_seen_is_recorded() -> None:
    found = plan({}, {"a": {"ssh-ed25519": ONE}}, [])
    assert found.new == {"a": {"ssh-ed25519": ONE}}
    assert found.problems == []


def test_a_changed_key_is_refused_with_both_fingerprints_and_what_to_do() -> None:
    found = plan({"a": {"ssh-ed25519": ONE}}, {"a": {"ssh-ed25519": TWO}}, [])
    (problem,) = found.problems
    assert found.new == {}
    assert "THE HOST KEY OF a HAS CHANGED" in problem
    assert fingerprint(ONE) in problem
    assert fingerprint(TWO) in problem
    assert "-e accept_host_key=a" in problem


def test_a_machine_with_keys_of_other_kinds_only_has_changed_too() -> None:
    (problem,) = plan({"a": {"ssh-rsa": ONE}}, {"a": {"ssh-ed25519": ONE}}, []).problems
    assert "of the kind ssh-rsa" in problem


def test_a_changed_key_that_was_compared_is_recorded() -> None:
    found = plan({"a": {"ssh-ed25519": ONE}}, {"a": {"ssh-ed25519": TWO}}, ["a"])
    assert found.new == {"a": {"ssh-ed25519": TWO}}
    assert found.problems == []


def test_a_machine_that_shows_nothing_is_named() -> None:
    for known, accepted in (({}, []), ({"a": {"ssh-ed25519": ONE}}, ["a"])):
        (problem,) = plan(known, {"a": {}}, accepted).problems
        assert problem.startswith("a shows no host key")


def test_a_machine_that_is_known_may_be_away() -> None:
    found = plan({"a": {"ssh-ed25519": ONE}}, {"a": {}, "b": {"ssh-ed25519": TWO}}, [])
    assert found.new == {"b": {"ssh-ed25519": TWO}}
    assert found.problems == []


@given(keys, keys)
def test_nothing_is_recorded_over_what_is_known_unless_it_is_accepted(known: Keys, seen: Keys) -> None:
    assert plan({"a": known}, {"a": seen}, []).new == {}
    accepted = plan({"a": known}, {"a": seen}, ["a"])
    assert accepted.problems == []
    assert accepted.new in ({}, {"a": seen})


def test_what_is_recorded_is_found_again_also_on_another_port(tmp_path: Path) -> None:
    file = tmp_path / "state" / "known_hosts"
    assert recorded(file, MACHINES) == {}
    kept = "ssh-ed25519", _real_key("1")
    record(file, MACHINES, {"a": dict([kept]), "b": {"ssh-ed25519": _real_key("2")}})
    assert "[10.0.0.2]:2222 ssh-ed25519" in file.read_text()
    record(file, MACHINES, {"b": {"ssh-ed25519": _real_key("3")}})
    assert recorded(file, MACHINES) == {"a": dict([kept]), "b": {"ssh-ed25519": _real_key("3")}}


def test_comments_and_markers_are_no_keys() -> None:
    assert parse(f"# 10.0.0.1:22 SSH-2.0\n@revoked * ssh-rsa {ONE}\nhost ssh-rsa {TWO}\n") == {"ssh-rsa": TWO}


def _real_key(seed: str) -> str:
    """Return an ed25519 key in ssh's form: ssh-keygen reads no other."""
    blob = b"".join(len(part).to_bytes(4, "big") + part for part in (b"ssh-ed25519", seed.encode() * 32))
    return base64.b64encode(blob).decode()
