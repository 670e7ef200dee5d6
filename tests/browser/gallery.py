"""Run the service in a thread of its own, on zones that were written, with domains in every state there is.

What takes days in life is lived through by the demo's story on a clock turned by hand; what needs more is written into
the store as operations would have left it.
"""

import asyncio
import dataclasses
import socket
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

from msgspec.structs import replace

from letterhead import worker
from letterhead.adapters.providers.simulated import SimulatedBehaviour, SimulatedProvider
from letterhead.cli.demo.stage import DemoClock, Zones, replay_past
from letterhead.cli.demo.story import DOMAINS
from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.members import MemberRole
from letterhead.core.dns.records import Mx, Txt
from letterhead.core.domain.domain import Domain, Event, EventKind, OldKey, RecordChange
from letterhead.core.domain.profile import Contact
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.languages.language import LanguageReader
from letterhead.core.plan.plan import Verdict
from letterhead.core.schedule.check_lag import SLOT
from letterhead.core.secret import Secret
from letterhead.core.zone.caching import NEGATIVE
from letterhead.operations import (
    accounts,
    checks,
    confirmed_addresses,
    dns_plans,
    domain_connect_keys,
    members,
    rotations,
)
from letterhead.operations.audit import audit_row
from letterhead.operations.domains import plan_of
from letterhead.operations.hosted_zones import GivenAccess, new_credential
from letterhead.operations.key_pool import new_pooled_key
from letterhead.operations.openid_sign_in import SignedInPerson
from letterhead.operations.self_monitoring import CHECKS
from letterhead.operations.setup_links import make_link
from letterhead.ports.provider import HealthItem, ProviderHealth, Quota, QuotaUse
from letterhead.ports.store.domains import DomainUpdate
from letterhead.ports.store.monitoring import AccountWork, WorkKind
from letterhead.web import WebSettings
from letterhead.web.app import create_app
from letterhead.wiring.assemble import Overrides
from tests.operations.world import OPERATOR, World, opened
from tests.rigs.domain_connect_api import ApiBehaviour, domain_connect_api
from tests.rigs.hosted_zones import HOST, TOKEN, MemoryHost, plant_credential
from tests.web.conftest import OPERATOR_TOKEN, served

__all__ = ["OPERATOR_TOKEN", "Gallery", "hung"]

NOBODY = "http://127.0.0.1:1"  # where no OpenID Connect provider answers
APEX = ("@ 3600 SOA ns1 hostmaster 1 7200 3600 1209600 600", "@ 3600 NS ns1", "ns1 3600 A 192.0.2.1")
PROVIDER = "letterhead.example"  # the operator, as a service provider of Domain Connect

T = TypeVar("T")


class Application(ThreadingHTTPServer):
    """Serves one page of an operator's own application, which frames whatever `link` leads to."""

    link = ""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Framing)
        self.url = f"http://127.0.0.1:{self.server_port}"


class _Framing(BaseHTTPRequestHandler):
    server: Application

    def do_GET(self) -> None:
        """Answer with the page."""
        body = (
            '<!doctype html><html lang="en"><title>An application</title><h1>An application</h1>'
            f'<iframe title="Set up" src="{self.server.link}" style="width:100%;height:600px;border:0"></iframe></html>'
        ).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


@dataclass(frozen=True, slots=True)
class Gallery:
    """The running service; `do` runs a coroutine in its loop and gives what comes of it."""

    world: World
    provider: SimulatedProvider
    url: str
    loop: asyncio.AbstractEventLoop
    application: "Application"
    zones: Zones
    host: ApiBehaviour  # the API of a DNS host that has the operator's template

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run one coroutine in the service's loop."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(60)

    def link(self, sender: str, days: int = 14) -> str:
        """Make a set-up link."""
        return self.do(make_link(self.world.deps, self.world.account.id, sender, days, OPERATOR)).url

    def contact(self, sender: str, email: str) -> tuple[str, str]:
        """Name a contact for a domain, and return the links by which it is confirmed, and refused."""

        async def name() -> tuple[str, str]:
            deps, domain = self.world.deps, await self.world.domain(sender)
            contact = Contact(email=email, asked_at=deps.now().replace(microsecond=0))
            row = audit_row(deps, OPERATOR, "domain.change", sender)
            await deps.store.change_profile(domain, lambda profile: replace(profile, contact=contact), row)
            return confirmed_addresses.contact_urls(deps, domain, contact)

        return self.do(name())

    def connected(self, sender: str, *besides: str) -> str:
        """Give another account a domain whose DNS host can add the records, and make a link to its set-up page.

        Its zone has `besides` what says so and nothing else.
        """

        async def make() -> str:
            fresh = await self.world.other(sender)
            domain, deps = await fresh.add(sender), fresh.deps
            keys = await domain_connect_keys.list_keys(deps) or [await domain_connect_keys.make_key(deps, OPERATOR)]
            texts = (f'{keys[0].host}. 60 TXT "{text}"' for text in keys[0].texts)
            self.zones.texts[PROVIDER] = "\n".join([f"$ORIGIN {PROVIDER}.", *APEX, *texts, ""])
            named = f'_domainconnect.{sender}. 60 TXT "{self.host.url.partition("://")[2]}"'
            self.zones.publish("missing", plan_of(deps, domain), "\n".join([named, *besides]))
            self.host.zones.add(sender)
            await checks.check(deps, domain)
            return (await make_link(deps, fresh.account.id, sender, 14, OPERATOR)).url

        return self.do(make())

    def write_plan(self, sender: str, plan_id: str) -> None:
        """Write a plan at the DNS host, and wait for no nameserver."""
        access = GivenAccess(host=HOST, credential=new_credential({"token": TOKEN}))
        self.do(dns_plans.apply_plan(self.world.deps, self.world.account.id, sender, plan_id, access, OPERATOR))

    def key(self, scope: Scope) -> str:
        """Make a key of a scope."""

        async def make() -> str:
            caller = await accounts.caller_of(self.world.deps, self.world.key, "127.0.0.1")
            request = accounts.NewKeyRequest(name=f"a key of the scope {scope}", scope=scope)
            made = await accounts.make_key(self.world.deps, caller.account_id, OPERATOR, request)
            return made.text

        return self.do(make())

    def invited(self, email: str, role: MemberRole) -> str:
        """Invite somebody to the account, and return the address of the link."""
        made = self.do(members.invite(self.world.deps, self.world.account.id, email, role, OPERATOR))
        return str(made.url)

    def joined(self, email: str, role: MemberRole, subject: str) -> None:
        """Has somebody accept an invitation to the account, and sign in by that."""
        until = int((self.world.deps.now() + timedelta(minutes=10)).timestamp())
        person = SignedInPerson(
            issuer=NOBODY, subject=subject, email=email, is_operator=False, accesses=(), until=until
        )
        token = self.invited(email, role).rpartition("/")[2]
        self.do(members.accept(self.world.deps, token, person, OPERATOR))

    def other(self, name: str, domains: int = 0) -> World:
        """Open another account, with so many domains that were just added; one key does for all of them."""
        fresh = self.do(self.world.other(name))
        deps = fresh.deps
        pair = deps.keyring.make_pair() if domains else None
        self.do(deps.store.pool_keys([new_pooled_key(deps, pair) for _ in range(domains) if pair]))
        for number in range(domains):
            self.do(fresh.add(f"customer-{number:03}.example"))
        return fresh

    def change(self, sender: str, **how: object) -> None:
        """Write a domain as it would have become."""

        async def write() -> None:
            domain = await self.world.domain(sender)
            assert await self.world.deps.store.save(DomainUpdate(domain=replace(domain, **how)))

        self.do(write())

    def found(self, sender: str, *findings: Finding) -> None:
        """Write what a domain's last check found beside what it saw."""

        async def write() -> None:
            view = await self.world.view(sender)
            assert view.last_check is not None
            done = replace(view.last_check, findings=(*view.last_check.findings, *findings))
            assert await self.world.deps.store.save(DomainUpdate(domain=view.domain, check=done))

        self.do(write())

    def cached(self, sender: str) -> None:
        """Has some resolver remember that the domain's key was missing, though its servers have it."""
        record = self.do(self.world.dkim(sender))
        words = {
            "zone": sender,
            "host": record.host,
            "servers": "9.9.9.9",
            "when": "within 8 minutes",
            "name": record.host,
        }
        said = Finding(
            code=NEGATIVE.code, severity=NEGATIVE.severity, record=record.id, host=record.host, title=NEGATIVE.title,
            detail=NEGATIVE.detail.format(**words), fix=NEGATIVE.fix.format(**words),
        )  # fmt: skip
        self.found(sender, said)

    def rotate(self, sender: str) -> None:
        """Begin a change of keys."""
        self.do(rotations.start(self.world.deps, self.world.account.id, sender, rotations.NOTHING, OPERATOR))

    def seen(self, sender: str) -> None:
        """Has the new key's record found everywhere."""
        domain = self.do(self.world.domain(sender))
        assert domain.rotation is not None
        now = self.world.deps.now()
        self.change(sender, rotation=replace(domain.rotation, seen_since=now, checked_at=now))

    def switched(self, sender: str) -> None:
        """Has the domain sign with a newer key: one record before it is needed for a while, another can go."""
        now = self.world.deps.now()
        days = timedelta(days=1)
        old = (OldKey(selector="lhneeded", replaced_at=now - 2 * days),
               OldKey(selector="lholder", replaced_at=now - 20 * days, safe=True))  # fmt: skip
        self.change(sender, rotation=None, rotated_at=now - 2 * days, old_keys=old)

    def silent(self, senders: list[str]) -> None:
        """Has nobody answer about any of the domains: an outage of our own."""

        async def write() -> None:
            now = datetime.now(UTC)
            for sender in senders:
                view = await self.world.view(sender)
                assert view.last_check is not None
                unheard = tuple(replace(each, verdict=Verdict.UNANSWERED) for each in view.last_check.results)
                done = replace(view.last_check, results=unheard, taken_at=now)
                domain = replace(view.domain, zone=sender)
                assert await self.world.deps.store.save(DomainUpdate(domain=domain, check=done))

        self.do(write())


@contextmanager
def hung(
    folder: Path, *, working: bool = False, languages: LanguageReader | None = None, **web: Any
) -> Iterator[Gallery]:
    """Run the service until the block ends, with its worker where wanted; `web` are settings of the web face."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    application = Application()
    threading.Thread(target=application.serve_forever, daemon=True).start()
    room = _running(folder, loop, application, web, working=working, languages=languages)
    try:
        gallery = asyncio.run_coroutine_threadsafe(room.__aenter__(), loop).result(120)
        try:
            yield gallery
        finally:
            asyncio.run_coroutine_threadsafe(room.__aexit__(None, None, None), loop).result(60)
    finally:
        application.shutdown()
        application.server_close()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def _hosted_zones() -> MemoryHost:
    """Make the DNS host, whose zones have what people have there."""
    host = MemoryHost("mirror.example", "lighthouse.example", "sketch.example")
    host.put("mirror.example", "lh.mirror.example", "MX", Mx(preference=10, exchange="mx.other.example"))
    host.put("mirror.example", "lh.mirror.example", "TXT", Txt(strings=("v=spf1 include:_spf.other.example -all",)))
    long = Txt(strings=("a-text-without-any-space-" * 10,) * 4)
    host.put("sketch.example", "lh.sketch.example", "TXT", Txt(strings=("v=spf1 ip4:192.0.2.1 -all",)), long)
    host.put("sketch.example", "_dmarc.sketch.example", "TXT", Txt(strings=("v=DMARC1; p=reject",)))
    return host


@asynccontextmanager
async def _running(
    folder: Path,
    loop: asyncio.AbstractEventLoop,
    application: Application,
    web: dict[str, Any],
    *,
    working: bool,
    languages: LanguageReader | None,
) -> AsyncIterator[Gallery]:
    clock, zones = DemoClock(), Zones()
    moods = {each.sender: SimulatedBehaviour(each.behaviour) for each in DOMAINS}
    provider = SimulatedProvider(clock, behaviours=moods, settles_after=timedelta(seconds=1))
    openid = {"OIDC_ISSUER": NOBODY, "OIDC_CLIENT_ID": "letterhead", "OIDC_CLIENT_SECRET": "secret"}
    with socket.create_server(("127.0.0.1", 0)) as listener, domain_connect_api() as host:
        connect = {"DOMAIN_CONNECT_PROVIDER": PROVIDER, "DOMAIN_CONNECT_HOSTS": host.url}
        connect |= {"WEBHOOKS_ALLOW_HTTP": "true", "WEBHOOKS_ALLOW_PRIVATE": "true"}
        host.templates, host.settings = {f"{PROVIDER}/mail"}, {"providerDisplayName": "Virtucon Domains"}
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        stand = Overrides(resolver=zones, provider=provider, now=clock, hosted_zones=_hosted_zones())
        async with opened(folder, stand, PUBLIC_URL=url, **openid, **connect) as world:
            await replay_past(world.deps, clock, zones, world.account.id)
            await _past(world)
            settings = WebSettings(
                public_url=url, operator_token=Secret(OPERATOR_TOKEN.encode()), embed_origins=(application.url,),
                rate=500, burst=1000, support="mailto:help@example.com", **web,
            )  # fmt: skip
            # Otherwise the very same: what a test gives the world's, the service has.
            deps = dataclasses.replace(world.deps, languages=languages) if languages else world.deps
            async with served(create_app(deps, settings), listener), _worked(world, working=working):
                yield Gallery(world, provider, url, loop, application, zones, host)


@asynccontextmanager
async def _worked(world: World, *, working: bool) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(worker.run(world.deps, worker.WorkerSettings(pooled_keys=4), stop)) if working else None
    yield
    stop.set()
    if task is not None:
        await task


async def _past(world: World) -> None:
    """Write what a day of a busy service leaves behind: late checks, a provider's budget, a record that changed."""
    store, now = world.deps.store, world.deps.now()
    for zone, code in (("harbour.example", None), ("lighthouse.example", "401")):
        kept = await plant_credential(world.deps, zone, world.account.id)
        await store.note_dns_credential(kept, now, code)
    late = {(now - number * SLOT, step): 40 // (step + 1) for number in range(280) for step in range(2 + number % 4)}
    late |= {(now - 40 * SLOT, 12): 30, (now - 41 * SLOT, 14): 12}
    await store.add_to_histogram(
        CHECKS, {at: count for at, count in late.items() if not 100 < (now - at[0]) // SLOT < 130}
    )
    uses = (QuotaUse(quota=Quota.MAILS, used=12_345, allowed=50_000), QuotaUse(quota=Quota.RATE, allowed=14))
    sandbox = HealthItem(said="sandbox: 200 mails a day", ok=False, fix="Ask for production access.", uses=uses)
    counted = HealthItem(said="1240 identities", uses=(QuotaUse(quota=Quota.IDENTITIES, used=1240, allowed=10_000),))
    await store.save_provider_health("simulated", ProviderHealth(at=now, items=(sandbox, counted)))
    await store.take_rate_slot("ses:eu-west-1", now, timedelta(seconds=1), now)
    work = [
        AccountWork(account_id=world.account.id, kind=WorkKind.CHECK, number=12_345, milliseconds=1_900_000),
        AccountWork(account_id="", kind=WorkKind.CHECK, number=4_321, milliseconds=660_000),
        AccountWork(account_id=world.account.id, kind=WorkKind.DELIVERY, number=240, milliseconds=52_000),
        AccountWork(account_id="acc_closed", kind=WorkKind.RELAY, number=12, octets=480_000),
        AccountWork(account_id=world.account.id, kind=WorkKind.RELAY, number=3_200, octets=48_500_000),
        AccountWork(account_id=world.account.id, kind=WorkKind.REQUEST, number=98_000),
    ]
    await store.add_account_work(now, work)
    domain = await world.domain("lighthouse.example")
    changed = RecordChange(record="mail_from", was="PENDING", now="SUCCESS")
    event = Event(kind=EventKind.RECORD_CHANGED, at=now, detail="The bounce domain is verified.", change=changed)
    assert await store.save(DomainUpdate(domain=domain, events=(event,)))


def names(gallery: Gallery) -> list[Domain]:
    """List the account's domains."""
    from letterhead.ports.store.domains import DomainQuery

    return gallery.do(gallery.world.deps.store.domains(gallery.world.account.id, DomainQuery()))
