"""Every role's molecule scenario: create, converge, idempotence, verify, destroy."""

from __future__ import annotations

import pytest

from tests.e2e.lab import ROOT, own_lab

SCENARIOS = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))


def test_every_role_has_a_scenario() -> None:
    assert sorted(path.name for path in (ROOT / "roles").iterdir()) == SCENARIOS


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_molecule_scenario(scenario: str) -> None:
    own_lab().run("molecule", "test", "-s", scenario).ok()
