"""What is said where a kubeconfig is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from miner_cluster.kube.api import Api, KubeError


def said(kubeconfig: Path) -> str:
    with pytest.raises(KubeError) as caught:
        Api(kubeconfig)
    return str(caught.value)


def test_a_controller_without_any_cluster_is_told_how_to_make_one(tmp_path: Path) -> None:
    text = said(tmp_path / "lab" / "kubeconfig")
    assert "There is no cluster yet" in text
    assert "other names" not in text


def test_whoever_forgot_which_lab_it_is_sees_those_that_there_are(tmp_path: Path) -> None:
    for name in ("production", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "kubeconfig").touch()
    (tmp_path / "mine" / "inventory").mkdir()
    text = said(tmp_path / "lab" / "kubeconfig")
    assert "There are clusters of other names: mine, production; for a lab: LAB=mine (make)" in text
