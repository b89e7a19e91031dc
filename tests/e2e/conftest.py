"""One lab for the whole session: tests run in file order, from deployment to teardown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.lab import Lab, Run, deployed_lab


@pytest.hookimpl(tryfirst=True)  # before the marks are read
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let two processes share the work: one the lab with its tests in order, one all that needs no lab."""
    for item in items:
        alone = item.path.name in {"test_7_stand_in.py", "test_9_molecule.py"}
        item.add_marker(pytest.mark.xdist_group("alone" if alone else "lab"))


@pytest.fixture(scope="session")
def deployed() -> Iterator[tuple[Lab, Run]]:
    """The lab and the `make site` run that made it."""
    with deployed_lab() as lab_and_run:
        yield lab_and_run


@pytest.fixture
def lab(deployed: tuple[Lab, Run]) -> Lab:
    """The deployed lab."""
    return deployed[0]
