"""Knows how to look at an installation from outside its processes: each part is ok, or says what to do."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from letterhead.cli.exit_codes import Exit
from letterhead.cli.tables import console, visible, word
from letterhead.core.dns.answers import Found, Question, Reply, Unanswered, View
from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    from letterhead.config import Settings
    from letterhead.ports.deps import Deps
    from letterhead.ports.resolver import Resolver

SECONDS = 4.0  # for each question to the network
PACKETS = 12
SKEW = 5.0  # seconds by which clocks may differ
# Any name of the public DNS does; this one's servers are the registry's own, and it is not going away.
ROOT = Question(name=".", rdtype="NS", view=View.RECURSIVE)
FAR = Question(name="iana.org", rdtype="NS", view=View.EVERY_SERVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorLine:
    """Says how one part is; `fix` where it is not ok."""

    part: str
    said: str
    ok: bool = True
    fix: str | None = None


def doctor() -> Exit:
    """Look at database, schema, keys, provider, resolvers, port 53, mail and clock: each line ok, or what to do."""
    from letterhead.cli.process import load_settings

    return Exit.OK if asyncio.run(_examine(load_settings(quiet=True))) else Exit.NOT_GOOD


async def _examine(settings: "Settings") -> bool:
    good = True
    async for line in _lines(settings):
        _show(line)
        good = good and line.ok
    return good


def _show(line: DoctorLine) -> None:
    text = word("ok" if line.ok else "no")
    text.append(f"{'':{4 - len(text)}}{line.part:<10} ").append(visible(line.said), style="")
    if line.fix:
        text.append(f"\n    {'':<10} fix: {visible(line.fix)}")
    console().print(text)


async def _lines(settings: "Settings") -> AsyncIterator[DoctorLine]:
    from letterhead.wiring import assemble

    yield (schema := await _schema(settings))
    if schema.ok:  # opening an embedded database would make or change it, and we only look
        async for line in _opened(settings):
            yield line
    for line in await _provider(settings):
        yield line
    resolver = assemble.resolver(settings)
    clock = asyncio.to_thread(_clock, settings)
    for line in await asyncio.gather(_resolvers(resolver), _port53(resolver), _mail(settings), clock):
        yield line
    for line in await _key_zone(settings, resolver):
        yield line


async def _schema(settings: "Settings") -> DoctorLine:
    from letterhead.wiring import assemble

    try:
        state = await assemble.schema_state(assemble.database_url(settings))
    except Fault as fault:
        return _wrong("database", fault)
    if state in (assemble.SchemaState.CURRENT, assemble.SchemaState.NEWER):
        return DoctorLine(part="database", said=f"{_named(settings)} answers; its schema is {state}")
    said = f"{_named(settings)} answers; its schema is {state}"
    return DoctorLine(
        part="database", said=said, ok=False, fix="letterhead migrate (`letterhead run` does it by itself)"
    )


def _named(settings: "Settings") -> str:
    from letterhead.config import SqliteFile

    where = settings.database_url
    return str(where.path) if isinstance(where, SqliteFile) else "PostgreSQL"


async def _opened(settings: "Settings") -> AsyncIterator[DoctorLine]:
    """Opens the installation as a server does, which tries the keys; one that runs on the embedded database has."""
    from letterhead.wiring import assemble

    try:
        async with assemble.open_deps(settings) as deps:
            kept = assemble.kept_by_kms(settings)
            how = f"; AWS KMS keeps {', '.join(kept)}" if kept else ""
            yield DoctorLine(part="keys", said=f"they open what is sealed in the database{how}")
            yield await _work(deps)
    except Fault as fault:
        if fault.kind is Kind.DATABASE_IN_USE:
            yield DoctorLine(part="keys", said="a server runs on the embedded database: it has tried them")
            yield await asyncio.to_thread(_running, settings)
        else:
            yield _wrong("keys", fault)


async def _work(deps: "Deps") -> DoctorLine:
    from letterhead.operations.self_monitoring import load_backlog

    backlog = await load_backlog(deps)
    said = f"{backlog.due} checks due, {backlog.intents} at the provider, {backlog.pooled_keys} keys made ahead"
    if backlog.lag > 300:
        late = f"{said}; the oldest has waited {backlog.lag:.0f} s"
        return DoctorLine(part="worker", said=late, ok=False, fix="Start one: letterhead worker, or letterhead serve")
    return DoctorLine(part="worker", said=said)


async def _provider(settings: "Settings") -> list[DoctorLine]:
    from letterhead.wiring import assemble

    try:
        async with assemble.lone_provider(settings) as provider:
            conditions = await provider.full_health()
    except Fault as fault:
        return [_wrong("provider", fault)]
    return [DoctorLine(part="provider", said=each.said, ok=each.ok, fix=each.fix) for each in conditions]


def _running(settings: "Settings") -> DoctorLine:
    """Asks the server that runs how it is."""
    import httpx2

    from letterhead.cli.client import LOCAL
    from letterhead.cli.process import address

    url = f"{address(settings.bind)}/readyz"
    try:
        answer = httpx2.get(url, timeout=SECONDS, trust_env=urlsplit(url).hostname not in LOCAL)
    except httpx2.HTTPError as error:
        said = f"the process that owns the database does not answer at {url}: {error}"
        return DoctorLine(
            part="server", said=said, ok=False, fix="Look at its log; LETTERHEAD_BIND must be the server's own"
        )
    if answer.is_success:
        return DoctorLine(part="server", said=f"{url} says ready")
    fix = f"Ask it for the reason: curl {url}"
    return DoctorLine(part="server", said=f"{url} says {answer.status_code}: not ready", ok=False, fix=fix)


async def _ask(resolver: "Resolver", question: Question) -> tuple[Reply, ...]:
    from letterhead.ports.resolver import Allowance

    allowance = Allowance(packets=PACKETS, until=asyncio.get_running_loop().time() + SECONDS)
    return (await resolver.ask([question], allowance)).get(question, ())


async def _resolvers(resolver: "Resolver") -> DoctorLine:
    replies = await _ask(resolver, ROOT)
    silent = [f"{reply.perspective.server} ({_why(reply)})" for reply in replies if _silent(reply)]
    if replies and not silent:
        return DoctorLine(part="resolvers", said=f"{', '.join(reply.perspective.server for reply in replies)} answer")
    said = f"no answer from {', '.join(silent)}" if silent else "none is set"
    fix = "Check LETTERHEAD_DNS_RESOLVERS, or /etc/resolv.conf where it is not set; without network this is expected"
    return DoctorLine(part="resolvers", said=said, ok=False, fix=fix)


async def _port53(resolver: "Resolver") -> DoctorLine:
    """Asks servers with authority: without them the resolvers stand in, which is slower to see a change."""
    replies = await _ask(resolver, FAR)
    direct = [reply for reply in replies if reply.perspective.view is View.EVERY_SERVER and not _silent(reply)]
    if direct:
        return DoctorLine(part="port 53", said=f"{direct[0].perspective.server} answers from outside")
    why = _why(replies[0]) if replies and _silent(replies[0]) else "the resolvers stand in"
    fix = "Allow UDP and TCP to port 53 of any address, or live with resolvers alone: changes are then seen later"
    return DoctorLine(part="port 53", said=f"no authoritative server can be asked: {why}", ok=False, fix=fix)


async def _mail(settings: "Settings") -> DoctorLine:
    """Signs in at the mail server, and sends nothing."""
    from letterhead.ports.mail import DeliveryResult
    from letterhead.wiring import assemble

    mailer, server = assemble.mailer(settings), settings.smtp_url
    if mailer is None or server is None:
        return DoctorLine(part="mail", said="LETTERHEAD_SMTP_URL is not set: reminders are recorded and not sent")
    where, reached = f"{server.host}:{server.port}", await mailer.try_connection()
    if reached.result is DeliveryResult.ACCEPTED:
        return DoctorLine(part="mail", said=f"{where}: {reached.said}")
    fix = "Check LETTERHEAD_SMTP_URL: host, port, user, password, and that the certificate is valid for the host"
    return DoctorLine(part="mail", said=f"{where}: {reached.said}", ok=False, fix=fix)


async def _key_zone(settings: "Settings", resolver: "Resolver") -> list[DoctorLine]:
    """Tries to write the zone that customers' CNAMEs lead to, and whether the world finds it."""
    from letterhead.wiring import assemble

    publisher = assemble.publisher(settings)
    if publisher is None:
        return []
    tried = [DoctorLine(part="key zone", said=each.said, ok=each.ok, fix=each.fix) for each in await publisher.health()]
    zone = Question(name=publisher.zone, rdtype="SOA", view=View.RECURSIVE)
    replies = [each for each in await _ask(resolver, zone) if not _silent(each)]
    lost = [each.perspective.server for each in replies if not isinstance(each.answer, Found)]
    if lost:
        said = f"{', '.join(lost)} finds no zone {publisher.zone}"
        fix = f"Delegate {publisher.zone} to its servers by NS records in the zone above it"
        tried.append(DoctorLine(part="key zone", said=said, ok=False, fix=fix))
    return tried


def _silent(reply: Reply) -> bool:
    return isinstance(reply.answer, Unanswered)


def _why(reply: Reply) -> str:
    return (reply.answer.detail or reply.answer.why.value) if isinstance(reply.answer, Unanswered) else "it answers"


def _clock(settings: "Settings") -> DoctorLine:
    """Compares with the Date of whatever stands at PUBLIC_URL, where that is another machine; asks no stranger."""
    import httpx2

    from letterhead.cli.client import LOCAL

    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    if urlsplit(settings.public_url).hostname in LOCAL:
        return DoctorLine(part="clock", said=f"{now}, not compared: LETTERHEAD_PUBLIC_URL is this machine")
    try:
        began = time.time()
        date = httpx2.head(settings.public_url, timeout=SECONDS).headers["Date"]
        skew = (began + time.time()) / 2 - parsedate_to_datetime(date).timestamp() - 0.5  # Date has whole seconds
    except (httpx2.HTTPError, KeyError, ValueError) as error:
        return DoctorLine(part="clock", said=f"{now}, not compared: {settings.public_url} gives no date ({error})")
    said = f"{now}, {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} {settings.public_url}"
    ok = abs(skew) <= SKEW
    return DoctorLine(
        part="clock", said=said, ok=ok, fix=None if ok else "Run a time service: timedatectl set-ntp true"
    )


def _wrong(part: str, fault: Fault) -> DoctorLine:
    return DoctorLine(part=part, said=fault.detail, ok=False, fix=fault.fix)
