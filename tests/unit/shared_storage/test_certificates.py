"""A machine's certificates are read as they lie there, and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.modules import load_module

module = load_module("shared_file")
ONE = "-----BEGIN CERTIFICATE-----\nMTIz\n-----END CERTIFICATE-----"
TWO = ONE.replace("MTIz", "NDU2")


def test_the_first_certificate_of_each_file_is_read_and_no_key(tmp_path: Path) -> None:
    (tmp_path / "leaf.crt").write_text(f"{ONE}\n{TWO}\n")
    (tmp_path / "leaf.key").write_text("-----BEGIN PRIVATE KEY-----\n")
    (tmp_path / "broken.crt").write_text("")
    assert module.certificates([str(tmp_path), str(tmp_path / "nowhere")]) == {
        str(tmp_path / "leaf.crt"): ONE
    }
