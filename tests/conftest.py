"""Give every test the real servers: started once for each test process, and only when a test asks for them."""

import itertools
from collections.abc import Iterator

import pytest
import structlog

from tests.rigs import dns_lab
from tests.rigs import postgres as postgres_rig
from tests.rigs import smtp as smtp_rig
from tests.rigs.dns_lab import DnsLab
from tests.rigs.postgres import Postgres
from tests.rigs.smtp import Certificate, Ledger

# By default each traceback is drawn with all variables, in the event loop: a second, or a minute on a busy machine.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """Run one PostgreSQL."""
    with postgres_rig.running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """Return the address of an empty database of the test's own."""
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def mail_certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Make the certificate of the mail server."""
    return smtp_rig.certificate(tmp_path_factory.mktemp("smtp"))


@pytest.fixture
def ledger(mail_certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    """Run a mail server that this process and its children trust."""
    monkeypatch.setenv("SSL_CERT_FILE", str(mail_certificate.chain))
    with smtp_rig.running(mail_certificate) as server:
        yield server


@pytest.fixture(scope="session")
def lab() -> Iterator[DnsLab]:
    """Run two authoritative servers and a resolver."""
    with dns_lab.running() as servers:
        yield servers


@pytest.fixture
def zone(lab: DnsLab) -> str:
    """Return the name of an empty zone of the test's own, on one server."""
    return lab.zone(f"zone{next(_numbers)}.test")


@pytest.fixture
def split_zone(lab: DnsLab) -> str:
    """Return the name of an empty zone of the test's own, on two servers that can disagree."""
    return lab.zone(f"split{next(_numbers)}.test", servers=2)
