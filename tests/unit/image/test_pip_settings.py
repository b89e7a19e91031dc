"""What pip gets in a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.images.pip_settings import ca_bundle, pip_conf


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings on a machine without them."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("miner_cluster.images.pip_settings._FILES", ("~/.config/pip/pip.conf",))
    return tmp_path


def test_nothing_to_say_says_nothing() -> None:
    assert pip_conf({}) == ""
    assert ca_bundle({}) is None


def test_the_first_bundle_that_exists_counts(tmp_path: Path) -> None:
    bundle = tmp_path / "ca.crt"
    bundle.touch()
    assert ca_bundle({"PIP_CERT": "/nowhere", "SSL_CERT_FILE": str(bundle)}) == bundle


def test_the_index_is_handed_on_and_paths_of_this_machine_are_not(home: Path) -> None:
    conf = home / ".config/pip/pip.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("[global]\nindex-url = https://mirror/simple\ncert = /etc/x\nfind-links = /opt\n")
    assert pip_conf({}) == "[global]\nindex-url = https://mirror/simple\n\n"


def test_the_environment_wins_over_the_named_file_and_that_over_the_usual_one(home: Path) -> None:
    usual, named = home / ".config/pip/pip.conf", home / "named.conf"
    usual.parent.mkdir(parents=True)
    usual.write_text("[global]\nindex-url = u1\ntimeout = u2\nretries = u3\n")
    named.write_text("[global]\nindex-url = n1\ntimeout = n2\n")
    text = pip_conf({"PIP_CONFIG_FILE": str(named), "PIP_INDEX_URL": "e1"})
    assert text.split() == ["[global]", *["index-url", "=", "e1", "timeout", "=", "n2", "retries", "=", "u3"]]


def test_a_broken_file_is_left_to_pip(home: Path) -> None:
    conf = home / ".config/pip/pip.conf"
    conf.parent.mkdir(parents=True)
    conf.write_text("no section\n")
    assert pip_conf({}) == ""
