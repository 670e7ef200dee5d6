"""Connections that say nothing take no place from other networks: at the API, and at both ports of the relay."""

import contextlib
import resource
import smtplib
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.rigs import smtp
from tests.rigs.letterhead import COMMAND, Installation, Serving
from tests.rigs.processes import free_port
from tests.rigs.waiting import until

DESCRIPTORS, SOFT, SILENT = 1024, 256, 500
OTHER = "127.0.0.2"


@contextlib.contextmanager
def silent(*ports: int) -> Iterator[list[socket.socket]]:
    """Open SILENT connections from 127.0.0.1 to each port, and say nothing."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with contextlib.ExitStack() as held:
        yield [
            held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            for port in ports
            for _ in range(SILENT)
        ]


@pytest.fixture
def limited(tmp_path: Path) -> Installation:
    """Set up API and relay in one process that may have so few descriptors, and begin with fewer."""
    shown = smtp.certificate(tmp_path)
    installation = Installation(
        tmp_path, RELAY_SMARTHOST="smtp://127.0.0.1:9", RELAY_SMARTHOST_STARTTLS="never", RELAY_HOST="relay.test",
        RELAY_BIND=f"127.0.0.1:{free_port('127.0.0.1')}", RELAY_TLS_BIND=f"127.0.0.1:{free_port('127.0.0.1')}",
        RELAY_CERTIFICATE=str(shown.chain), RELAY_CERTIFICATE_KEY=str(shown.key),
    )  # fmt: skip
    script = tmp_path / "limited"
    script.write_text(f'#!/bin/sh\nulimit -Sn {SOFT}\nulimit -Hn {DESCRIPTORS}\nexec {COMMAND} "$@"\n')
    script.chmod(0o755)
    installation.command = script
    return installation


def descriptor_limit(serving: Serving) -> list[str]:
    """Read the soft and the hard limit of a process."""
    lines = Path(f"/proc/{serving.process.pid}/limits").read_text().splitlines()
    return next(line for line in lines if line.startswith("Max open files")).split()[3:5]


@pytest.mark.timeout(120)
def test_others_are_served(limited: Installation, tmp_path: Path) -> None:
    """While one address floods all three ports, another one reads domains and signs in at both ports of the relay."""
    plain, secure = (int(limited.settings[f"LETTERHEAD_RELAY{each}_BIND"].rsplit(":", 1)[1]) for each in ("", "_TLS"))
    context = ssl.create_default_context(cafile=str(tmp_path / "localhost.pem"))
    context.check_hostname = False
    with limited.serving() as serving:
        assert descriptor_limit(serving) == [str(DESCRIPTORS), str(DESCRIPTORS)]
        key = serving.open_account()
        elsewhere = httpx2.HTTPTransport(local_address=OTHER)
        with (
            silent(int(serving.url.rsplit(":", 1)[1]), plain, secure) as held,
            httpx2.Client(base_url=serving.url, transport=elsewhere, timeout=5) as client,
        ):
            assert client.get("/domains", headers={"Authorization": f"Bearer {key}"}).json() == []
            with smtplib.SMTP("127.0.0.1", plain, timeout=5, source_address=(OTHER, 0)) as mail:
                assert mail.starttls(context=context)[0] == 220
                assert mail.login("letterhead", key)[0] == 235
            source, port = (OTHER, 0), secure
            with smtplib.SMTP_SSL("127.0.0.1", port, timeout=5, source_address=source, context=context) as mail:
                assert mail.login("letterhead", key)[0] == 235
            # The places of the silent ones at the TLS port come back, since a handshake has a limit of its own.
            until(lambda: all(is_closed(each) for each in held[2 * SILENT :]), seconds=40)


def is_closed(connection: socket.socket) -> bool:
    """Whether the other side closed the connection."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True
