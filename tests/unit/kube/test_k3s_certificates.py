"""When the certificates of k3s end and what to do then, and which of them a rotation made anew."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from data_miner.certificate import CertificateError
from miner_cluster.k3s_certificates import End, first_ends, problems
from tests.modules import load_module
from tests.unit.data_miner.test_certificate import der

module = load_module("k3s_certificates")
NOW = datetime(2026, 11, 26, tzinfo=UTC)
LEAF, CA = "/x/client-admin.crt", "/x/server-ca.crt"


def pem(days: int) -> str:
    return ssl.DER_cert_to_PEM_cert(der(NOW + timedelta(days=days)))


def test_of_each_machine_the_certificate_that_ends_first_counts() -> None:
    looks: dict[str, dict[str, Any]] = {
        "one": {"certificates": {LEAF: pem(300), CA: pem(3000)}},
        "two": {"certificates": {LEAF: pem(20)}},
        "away": {"msg": "unreachable"},
    }
    ends = first_ends(looks)
    assert ends == {
        "one": End(NOW + timedelta(days=300), LEAF),
        "two": End(NOW + timedelta(days=20), LEAF),
    }
    assert min(ends.values()).at == NOW + timedelta(days=20)


def test_what_is_no_certificate_is_told() -> None:
    with pytest.raises(CertificateError):
        first_ends({"one": {"certificates": {LEAF: pem(1).replace("M", "*")}}})


@pytest.mark.parametrize(
    ("days", "path", "words"),
    [
        (29, LEAF, ["one: ", LEAF, "ends in 29 days", "ansible-playbook playbooks/certificates.yml"]),
        (-1, LEAF, ["has ended on 2026-11-25"]),
        (29, CA, ["k3s certificate rotate-ca"]),
    ],
)
def test_one_that_ends_soon_is_a_problem_with_what_to_do(days: int, path: str, words: list[str]) -> None:
    (only,) = problems({"one": End(NOW + timedelta(days=days), path)}, NOW)
    assert all(word in only for word in words)


def test_one_that_does_not_end_soon_is_none() -> None:
    assert problems({"one": End(NOW + timedelta(days=30), LEAF)}, NOW) == []


def test_certificates_are_told_apart_by_what_they_hold_and_authorities_are_left_out(tmp_path: Path) -> None:
    for name in (
        "server/tls/a.crt",
        "server/tls/etcd/b.crt",
        "agent/c.crt",
        "agent/client-ca.crt",
        "agent/c.key",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    before = module.certificates(tmp_path)
    assert sorted(Path(path).name for path in before) == ["a.crt", "b.crt", "c.crt"]
    (tmp_path / "agent/c.crt").write_text("new")
    after = module.certificates(tmp_path)
    with pytest.raises(module.StateError, match=r"a\.crt"):
        module.renewed(before, after)
    changed = dict.fromkeys(before, "new")
    assert module.renewed(before, changed) == sorted(before)


def test_k3s_runs_again_also_where_it_did_not_stop_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    def slow(_: str) -> None:
        raise module.StateError("timed out")

    monkeypatch.setattr(module, "stop", slow)
    monkeypatch.setattr(module, "start", lambda unit, *_, **__: started.append(unit))
    with pytest.raises(module.StateError, match="timed out"):
        module.rotate("k3s", 1)
    assert started == ["k3s"]
