"""Let each test say its figures: they stand in the summary of the run, so that docs/reliability.md can have them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.faults import promises

Figures = Callable[..., None]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let a soak take its time."""
    if promises.SOAK in os.environ:
        for item in items:
            item.add_marker(pytest.mark.timeout(0), append=False)


@pytest.fixture
def figures(request: pytest.FixtureRequest, record_property: Callable[[str, object], None]) -> Iterator[Figures]:
    """Note figures by their names; they are printed at the end of the test."""
    noted: dict[str, object] = {}
    yield lambda **more: noted.update(more)
    told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in noted.items())
    record_property("figures", told)
    print(f"\n{request.node.name}: {told}")


@pytest.fixture
def size(request: pytest.FixtureRequest) -> int:
    """Return the size of the promise that this file holds: `test_p01_…` is P1."""
    return promises.size(f"P{int(Path(request.node.path).name[6:8])}")
