"""Give the tests of the command one real service, as its own process, on SQLite."""

from collections.abc import Iterator

import pytest

from tests.rigs.command import Running, running


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run `letterhead run` on a database of its own."""
    with running(tmp_path_factory.mktemp("service")) as service:
        yield service
