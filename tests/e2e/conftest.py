"""One lab for the whole session: tests run in file order, from deployment to teardown."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.lab import Lab, Run, deployed_lab


@pytest.fixture(scope="session")
def deployed() -> Iterator[tuple[Lab, Run]]:
    """The lab and the `make site` run that made it."""
    with deployed_lab() as lab_and_run:
        yield lab_and_run


@pytest.fixture
def lab(deployed: tuple[Lab, Run]) -> Lab:
    """The deployed lab."""
    return deployed[0]
