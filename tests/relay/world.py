"""Put a relay together for a story: a whole Letterhead beside it, a smart host that keeps what it gets, a clock."""

import asyncio
import smtplib
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from letterhead.adapters import mail_queue
from letterhead.adapters.dkim_signer import DkimSigner
from letterhead.adapters.smart_host import SmartHostAddress, SmtpSmartHost
from letterhead.core.domain.health import HealthState
from letterhead.core.plan.plan import RecordId
from letterhead.ports.relay import RelayDeps
from letterhead.relay import Listeners, RelaySettings, run
from letterhead.wiring.assemble import Overrides
from tests.operations.test_real_dns import record
from tests.operations.world import Clock, World, WrittenDns, noon, opened
from tests.rigs.smtp import Ledger

ACME = "acme.test"
MESSAGE = "From: Acme <hello@acme.test>\r\nTo: you@receiver.test\r\nSubject: Hello\r\n\r\nHello,\r\n\r\nthis is it.\r\n"
QUICK = RelaySettings(max_size=100_000, connections=4, in_clear=True)


@dataclass(slots=True)
class Relay:
    """A running relay."""

    world: World
    clock: Clock
    dns: WrittenDns
    parts: RelayDeps
    folder: Path
    port: int
    stop: asyncio.Event

    async def send(self, content: str | bytes = MESSAGE, **how: Any) -> list[tuple[int, bytes]]:
        """Send a message as a client does, and return each reply from MAIL FROM on."""
        return await asyncio.to_thread(submit, self.port, self.world.key, content, **how)

    async def refused(self, content: str | bytes) -> str:
        """Send a message that is refused, and return the reply to it."""
        code, said = (await self.send(content))[-1]
        assert code >= 400, said
        return f"{code} {said.decode()}"

    async def prove(self, sender: str) -> None:
        """Add a domain and let it be verified."""
        await self.world.add(sender)
        self.dns.publish(record(self.world, await self.world.domain(sender), RecordId.DKIM))
        assert (await self.world.look(sender)).dkim.state is HealthState.VERIFIED

    def waiting(self) -> list[Path]:
        """List the messages in the queue."""
        return sorted((self.folder / "relay").glob("*.mail"))


def submit(
    port: int,
    key: str,
    content: str | bytes,
    *,
    sender: str = "app@acme.test",
    to: Sequence[str] = ("you@receiver.test",),
    user: str = "letterhead",
    options: Sequence[str] = (),
) -> list[tuple[int, bytes]]:
    """Run one submission in clear and return the replies from MAIL FROM on."""
    octets = content.encode() if isinstance(content, str) else content
    with smtplib.SMTP("127.0.0.1", port, timeout=20, local_hostname="client.test") as client:
        client.ehlo()
        client.login(user, key)
        replies = [client.mail(sender, list(options))]
        replies += [client.rcpt(each) for each in to]
        if all(code < 300 for code, _ in replies):
            replies.append(client.data(octets))
        return replies


@asynccontextmanager
async def running(
    folder: Path,
    ledger: Ledger,
    settings: RelaySettings = QUICK,
    clock: Clock | None = None,
    *,
    prove: bool = True,
    **setting: str,
) -> AsyncIterator[Relay]:
    """Run a relay in this loop, with the domain acme.test verified; `prove=False` is its second start."""
    clock, dns = clock or Clock(noon()), WrittenDns("test")
    async with opened(folder, Overrides(now=clock, resolver=dns), **setting) as world:
        with socket.create_server(("127.0.0.1", 0)) as listener, mail_queue.open_queue(folder / "relay") as queue:
            parts = parts_of(queue, ledger)
            relay = Relay(
                world=world, clock=clock, dns=dns, parts=parts, folder=folder, port=listener.getsockname()[1],
                stop=asyncio.Event(),
            )  # fmt: skip
            if prove:
                await relay.prove(ACME)
            listeners = Listeners(plain=listener, secure=None, context=None, reload=lambda: False)
            task = asyncio.create_task(run(world.deps, parts, settings, listeners, relay.stop))
            try:
                yield relay
            finally:
                relay.stop.set()
                await task
                await parts.smart_host.close()


def parts_of(queue: mail_queue.FolderQueue, ledger: Ledger) -> RelayDeps:
    """Return what a relay needs beside the rest."""
    address = SmartHostAddress(
        host="127.0.0.1", port=ledger.port, implicit_tls=False, starttls=False, helo="relay.test", seconds=2.0,
        data_seconds=2.0,
    )  # fmt: skip
    return RelayDeps(
        queue=queue, signer=DkimSigner(), smart_host=SmtpSmartHost(address), host="relay.test",
        keep=timedelta(days=5), opened=set(), account_field=lambda _installation, _account: "",
    )  # fmt: skip
