"""Give the relay's tests a smart host and a relay."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.relay.world import Relay, running
from tests.rigs import smtp
from tests.rigs.smtp import Ledger


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    """Run a smart host that keeps what it gets."""
    with smtp.running(None, sign_in=False) as ledger:
        yield ledger


@pytest.fixture
async def relay(tmp_path: Path, ledger: Ledger) -> AsyncIterator[Relay]:
    """Run a relay."""
    async with running(tmp_path, ledger) as relay:
        yield relay
