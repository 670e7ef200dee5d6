"""The command `letterhead doctor`: checks of an installation, each with one line, and a fix where it is not ok."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from letterhead.cli.doctor_alerts import check_alerts
from letterhead.cli.doctor_links import LinkCondition, check_links, check_links_at_server, check_public_url
from letterhead.cli.exit_codes import Exit
from letterhead.cli.tables import colour_text, console, visible
from letterhead.core.dns.answers import Found, Question, Reply, Unanswered, View
from letterhead.errors import Fault, Kind

if TYPE_CHECKING:
    from letterhead.config import Settings
    from letterhead.ports.resolver import Resolver

SECONDS = 4.0  # for each question to the network
MOST_PACKETS = 12
RENEW_BEFORE = timedelta(days=14)  # whoever renews a certificate by a program does it earlier
LATE_MAIL = timedelta(hours=1)  # greylisting takes less
MOST_SKEW = 5.0  # seconds by which clocks may differ
# Any stable name of the public DNS would serve.
ROOT = Question(name=".", rdtype="NS", view=View.RECURSIVE)
FAR = Question(name="iana.org", rdtype="NS", view=View.EVERY_SERVER)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorLine:
    """The result of one check; with a `fix` where it is not ok, and where it `warns` of what may be meant so."""

    part: str
    said: str
    ok: bool = True
    fix: str | None = None

    @property
    def warns(self) -> bool:
        """Whether all works, and something should be done nevertheless."""
        return self.ok and self.fix is not None


def doctor() -> Exit:
    """Look at database, keys, provider, resolvers, port 53, mail, clock and relay: each line ok, or what to do."""
    from letterhead.cli.process import load_settings

    return Exit.OK if asyncio.run(_print_checks(load_settings(quiet=True))) else Exit.NOT_GOOD


async def _print_checks(settings: "Settings") -> bool:
    """Print each check's line as it comes; return whether all are ok."""
    all_ok = True
    async for line in run_checks(settings):
        text = colour_text("warn" if line.warns else "ok" if line.ok else "no")
        text.append(f"{'':{5 - len(text)}}{line.part:<10} ").append(visible(line.said), style="")
        if line.fix:
            text.append(f"\n     {'':<10} fix: {visible(line.fix)}")
        console().print(text)
        all_ok = all_ok and line.ok
    return all_ok


async def run_checks(settings: "Settings") -> AsyncIterator[DoctorLine]:
    """Run every check, and yield its lines."""
    from letterhead.wiring import assemble

    yield (schema := await check_schema(settings))
    if schema.ok:  # opening an embedded database would create or migrate it, and doctor changes nothing
        async for line in check_keys(settings):
            yield line
    for line in await check_provider(settings):
        yield line
    resolver = assemble.resolver(settings)
    clock = asyncio.to_thread(check_clock, settings)
    for line in await asyncio.gather(check_resolvers(resolver), check_port_53(resolver), check_mail(settings), clock):
        yield line
    yield _new_link_line("public URL", check_public_url(settings))
    yield check_dns_hosts(settings)
    for line in await check_key_zone(settings, resolver):
        yield line
    for line in await check_relay(settings, datetime.now(UTC)):
        yield line


async def check_schema(settings: "Settings") -> DoctorLine:
    """Check that the database answers, and that its schema is current."""
    from letterhead.cli.serve import refuse_surprising_database
    from letterhead.config import SqliteFile
    from letterhead.wiring import assemble

    try:
        refuse_surprising_database(settings)
        state = await assemble.schema_state(assemble.database_url(settings))
    except Fault as fault:
        return _new_failure("database", fault)
    url = settings.database_url
    said = f"{url.path if isinstance(url, SqliteFile) else 'PostgreSQL'} answers; its schema is {state}"
    if state in (assemble.SchemaState.CURRENT, assemble.SchemaState.NEWER):
        return DoctorLine(part="database", said=said)
    return DoctorLine(
        part="database", said=said, ok=False, fix="letterhead migrate (`letterhead run` does it by itself)"
    )


async def check_keys(settings: "Settings") -> AsyncIterator[DoctorLine]:
    """Open the installation as a server does, which checks the keys; then check database, worker, disk and relay.

    A server that runs on the embedded database locks it and has checked the keys: then ask that server.
    """
    from letterhead.config import SqliteFile
    from letterhead.operations.health import HealthProbes, check_health
    from letterhead.wiring import assemble

    try:
        async with assemble.open_deps(settings) as deps:
            kept = assemble.kept_by_kms(settings)
            how = f"; AWS KMS keeps {', '.join(kept)}" if kept else ""
            yield DoctorLine(part="keys", said=f"they open what is sealed in the database{how}")
            probes = HealthProbes(deps)
            found = await check_health(deps, probes)
            await probes.close()
            links = await check_links(deps)
            parts = {"store": found.store, "worker": found.worker, "disk": found.disk, "relay": found.relay}
            for part, health in parts.items():
                if health is not None and health.is_missing and isinstance(settings.database_url, SqliteFile):
                    said = f"{health.detail}; nothing runs on this database"
                    yield DoctorLine(part=part, said=said, fix="Start `letterhead run` or `letterhead serve`")
                elif health is not None:
                    yield _new_part_line(part, health.detail, ok=health.is_ok)
            for found_of_links in links:
                yield _new_link_line("links", found_of_links)
            for found_of_alerts in await check_alerts(deps):
                yield _new_link_line("alerts", found_of_alerts)
        for line in await asyncio.to_thread(check_server, settings):
            if line.part == "proxy":  # a server on PostgreSQL, which alone sees the requests
                yield line
    except Fault as fault:
        if fault.kind is Kind.DATABASE_IN_USE:
            yield DoctorLine(part="keys", said="a server runs on the embedded database: it has tried them")
            for line in await asyncio.to_thread(check_server, settings):
                yield line
            for told in await asyncio.to_thread(check_links_at_server, settings):
                yield _new_link_line("links", told)
        else:
            yield _new_failure("keys", fault)


async def check_provider(settings: "Settings") -> list[DoctorLine]:
    """Check the provider's health by its API."""
    from letterhead.wiring import assemble

    try:
        async with assemble.lone_provider(settings) as provider:
            conditions = await provider.full_health()
    except Fault as fault:
        return [_new_failure("provider", fault)]
    return [DoctorLine(part="provider", said=each.said, ok=each.ok, fix=each.fix) for each in conditions]


def check_server(settings: "Settings") -> list[DoctorLine]:
    """Ask the running server how its parts are."""
    import httpx2

    from letterhead.cli.client import http_client
    from letterhead.cli.process import address

    url = f"{address(settings.bind)}/readyz"
    try:
        with http_client(address(settings.bind), timeout=SECONDS) as client:
            answer = client.get("/readyz")
    except httpx2.HTTPError as error:
        said = f"the process that owns the database does not answer at {url}: {error}"
        return [
            DoctorLine(
                part="server", said=said, ok=False, fix="Look at its log; LETTERHEAD_BIND must be the server's own"
            )
        ]
    try:
        parts = msgspec.json.decode(answer.content, type=dict[str, bool | dict[str, bool | str]])
    except msgspec.MsgspecError:
        fix = f"Ask it for the reason: curl {url}"
        return [DoctorLine(part="server", said=f"{url} says {answer.status_code}: not ready", ok=False, fix=fix)]
    ready = answer.is_success
    said = f"{url} says {'ready' if ready else 'not ready'}"
    lines = [DoctorLine(part="server", said=said, ok=ready, fix=None if ready else "Mend what is not ok below")]
    for part in PARTS:
        found = parts.get(part)
        if isinstance(found, dict):
            lines.append(_new_part_line(part, str(found.get("detail", "")), ok=found.get("ok") is True))
    if lines[-1].part == "proxy":  # a hint, since anybody can send such fields
        lines[-1] = replace(lines[-1], ok=True)
    return lines


PARTS = {
    "store": "Read the database's own log, and make room on its disk",
    "worker": "Run `letterhead worker` or `letterhead serve`, and read the log of the last one; set the clock right",
    "disk": "Make room, or move the folder to a larger disk; LETTERHEAD_DISK_RESERVE_MB sets the reserve",
    "relay": "Run `letterhead relay`, and read the log of the last one",
    "proxy": "Set LETTERHEAD_TRUSTED_PROXIES to the proxy's addresses, LETTERHEAD_PUBLIC_URL to what clients use",
}


def _new_part_line(part: str, detail: str, *, ok: bool) -> DoctorLine:
    """Return the line of a part of the service, with the way to mend it."""
    return DoctorLine(part=part, said=detail, ok=ok, fix=None if ok else PARTS[part])


async def _ask(resolver: "Resolver", question: Question) -> tuple[Reply, ...]:
    from letterhead.ports.resolver import Allowance

    allowance = Allowance(packets=MOST_PACKETS, until=asyncio.get_running_loop().time() + SECONDS)
    return (await resolver.ask([question], allowance)).get(question, ())


async def check_resolvers(resolver: "Resolver") -> DoctorLine:
    """Check that every recursive resolver answers."""
    replies = await _ask(resolver, ROOT)
    silent = [f"{reply.perspective.server} ({_reason_of(reply)})" for reply in replies if _is_unanswered(reply)]
    if replies and not silent:
        return DoctorLine(part="resolvers", said=f"{', '.join(reply.perspective.server for reply in replies)} answer")
    said = f"no answer from {', '.join(silent)}" if silent else "none is set"
    fix = "Check LETTERHEAD_DNS_RESOLVERS, or /etc/resolv.conf where it is not set; without network this is expected"
    return DoctorLine(part="resolvers", said=said, ok=False, fix=fix)


async def check_port_53(resolver: "Resolver") -> DoctorLine:
    """Check that authoritative servers can be asked; without them a change is seen later, by way of the resolvers."""
    replies = await _ask(resolver, FAR)
    direct = [reply for reply in replies if reply.perspective.view is View.EVERY_SERVER and not _is_unanswered(reply)]
    if direct:
        return DoctorLine(part="port 53", said=f"{direct[0].perspective.server} answers from outside")
    why = _reason_of(replies[0]) if replies and _is_unanswered(replies[0]) else "the resolvers stand in"
    fix = "Allow UDP and TCP to port 53 of any address, or live with resolvers alone: changes are then seen later"
    return DoctorLine(part="port 53", said=f"no authoritative server can be asked: {why}", ok=False, fix=fix)


async def check_mail(settings: "Settings") -> DoctorLine:
    """Sign in at the mail server, and send nothing."""
    from letterhead.ports.mail import DeliveryResult
    from letterhead.wiring import assemble

    mailer, server = assemble.mailer(settings), settings.smtp_url
    if mailer is None or server is None:
        fix = (
            "Set LETTERHEAD_SMTP_URL and LETTERHEAD_MAIL_SENDER, or have your own program read the reminders by the API"
        )
        return DoctorLine(part="mail", said="LETTERHEAD_SMTP_URL is not set: reminders reach nobody", fix=fix)
    where, reached = f"{server.host}:{server.port}", await mailer.try_connection()
    if reached.result is DeliveryResult.ACCEPTED:
        return DoctorLine(part="mail", said=f"{where}: {reached.said}")
    fix = "Check LETTERHEAD_SMTP_URL: host, port, user, password, and that the certificate is valid for the host"
    return DoctorLine(part="mail", said=f"{where}: {reached.said}", ok=False, fix=fix)


async def check_key_zone(settings: "Settings", resolver: "Resolver") -> list[DoctorLine]:
    """Check that the zone of delegated keys can be updated, and that resolvers find it."""
    from letterhead.wiring import assemble

    publisher = assemble.publisher(settings)
    if publisher is None:
        return []
    lines = [DoctorLine(part="key zone", said=each.said, ok=each.ok, fix=each.fix) for each in await publisher.health()]
    zone = Question(name=publisher.zone, rdtype="SOA", view=View.RECURSIVE)
    replies = [each for each in await _ask(resolver, zone) if not _is_unanswered(each)]
    lost = [each.perspective.server for each in replies if not isinstance(each.answer, Found)]
    if lost:
        said = f"{', '.join(lost)} finds no zone {publisher.zone}"
        fix = f"Delegate {publisher.zone} to its servers by NS records in the zone above it"
        lines.append(DoctorLine(part="key zone", said=said, ok=False, fix=fix))
    return lines


async def check_relay(settings: "Settings", now: datetime) -> list[DoctorLine]:
    """Check the signing relay, where it is set up: its smart host, its certificate, and the age of its queue."""
    if settings.relay_smarthost is None:
        return []
    checks = (check_certificate, check_queue)
    lines = [await check_smart_host(settings)]
    for check in checks:
        try:
            line = await asyncio.to_thread(check, settings, now)
        except Fault as fault:
            line = _new_failure("relay", fault)
        lines += [line] if line is not None else []
    return lines


async def check_smart_host(settings: "Settings") -> DoctorLine:
    """Sign in at the smart host, and send nothing."""
    from letterhead.wiring import relay as wiring_relay

    server = settings.relay_smarthost
    where = f"{server.host}:{server.port}" if server else ""
    tried = await wiring_relay.try_smart_host(settings, SECONDS)
    if tried.reached:
        return DoctorLine(part="smart host", said=f"{where}: {tried.said}")
    fix = "Check LETTERHEAD_RELAY_SMARTHOST: host, port, user, password, and that the certificate is valid for the host"
    return DoctorLine(part="smart host", said=f"{where}: {tried.said}; mail waits in the queue", ok=False, fix=fix)


def check_certificate(settings: "Settings", now: datetime) -> DoctorLine | None:
    """Check that the relay's certificate loads, holds now and for some days, and is for the relay's own name."""
    from letterhead.wiring import relay as wiring_relay

    found = wiring_relay.describe_certificate(settings)
    if found is None:
        return None
    part, said = "relay TLS", f"certificate for {', '.join(found.names) or 'no name'} until {found.ends:%Y-%m-%d}"
    renew = f"Renew it; a running relay loads the new {settings.relay_certificate} by itself"
    if now < found.begins:
        return DoctorLine(
            part=part,
            said=f"{said}: it holds only from {found.begins:%Y-%m-%d} on",
            ok=False,
            fix=f"{renew}; check the clock",
        )
    if now >= found.ends:
        return DoctorLine(
            part=part, said=f"{said}: it has expired, and clients that check it send nothing", ok=False, fix=renew
        )
    if found.ends - now < RENEW_BEFORE:
        return DoctorLine(part=part, said=f"{said}: it expires in {(found.ends - now).days} days", ok=False, fix=renew)
    if settings.relay_host is not None and not found.covers(settings.relay_host):
        fix = f"Get one for {settings.relay_host}, or set LETTERHEAD_RELAY_HOST to the name that clients connect to"
        return DoctorLine(part=part, said=f"{said}: not for {settings.relay_host}", ok=False, fix=fix)
    return DoctorLine(part=part, said=said)


def check_queue(settings: "Settings", now: datetime) -> DoctorLine:
    """Check how long the oldest message of the relay's queue has waited."""
    from letterhead.wiring import relay as wiring_relay

    number, oldest = wiring_relay.read_oldest(settings)
    if oldest is None:
        return DoctorLine(part="queue", said=f"{settings.relay_queue} is empty")
    waited = now - oldest.envelope.accepted_at
    reply = f"; the last reply was: {oldest.progress.said}" if oldest.progress.said else ""
    said = f"{number} messages wait, the oldest for {waited.total_seconds() / 60:.0f} min"
    if waited < LATE_MAIL:
        return DoctorLine(part="queue", said=said)
    fix = "See that a relay runs and reaches its smart host; its log says why a message was deferred"
    return DoctorLine(part="queue", said=f"{said}{reply}", ok=False, fix=fix)


def _is_unanswered(reply: Reply) -> bool:
    return isinstance(reply.answer, Unanswered)


def _reason_of(reply: Reply) -> str:
    return (reply.answer.detail or reply.answer.why.value) if isinstance(reply.answer, Unanswered) else "it answers"


def check_dns_hosts(settings: "Settings") -> DoctorLine:
    """Check whether records can be written at DNS hosts, which needs octoDNS."""
    from letterhead.wiring.assemble import writes_at_dns_hosts

    part, servers = "DNS hosts", ", ".join(f"{each.host}:{each.port}" for each in settings.dns_servers)
    if writes_at_dns_hosts():
        return DoctorLine(part=part, said=f"octoDNS is installed; servers of accounts' own: {servers or 'none'}")
    fix = "Install the extra `dns-hosts` (docs/install/pip.md)" if servers else None
    return DoctorLine(part=part, said="octoDNS is not installed: records are written at none", fix=fix)


def check_clock(settings: "Settings") -> DoctorLine:
    """Compare the clock with the Date header at PUBLIC_URL, where that is another machine."""
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
    ok = abs(skew) <= MOST_SKEW
    return DoctorLine(
        part="clock", said=said, ok=ok, fix=None if ok else "Run a time service: timedatectl set-ntp true"
    )


def _new_failure(part: str, fault: Fault) -> DoctorLine:
    return DoctorLine(part=part, said=fault.detail, ok=False, fix=fault.fix)


def _new_link_line(part: str, each: LinkCondition) -> DoctorLine:
    return DoctorLine(part=part, said=each.said, ok=each.ok, fix=each.fix)
