"""Knows what one can do with a sender domain: list, show, add, start verification, delete."""

import asyncio
import base64
import hashlib
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from letterhead.core.accounts.quotas import Limits
from letterhead.core.check import check
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain, Ed25519Key, Effect, Event, EventKind, KeyDelegation, Transition
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.names.domain_names import (
    DomainName,
    parse_domain,
    parse_label_or_name,
    parse_selector,
    registrable,
)
from letterhead.core.plan.plan import Plan
from letterhead.core.rotation import delegated_keys
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.ids import new_id
from letterhead.operations.key_pool import new_pooled_key
from letterhead.ports.deps import Deps
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store.domains import (
    CheckResult,
    ClaimResult,
    DomainCreation,
    DomainQuery,
    DomainUpdate,
    NewClaim,
    NewDomainKey,
)

log = structlog.get_logger()

RACES = 5  # so often may a domain change under us before we say so


class DomainRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what somebody asks for with a new domain, as it came: nothing of it is checked yet.

    `delegated` says that our own zone shall serve the keys, and the customer publish two CNAMEs.
    """

    sender: object
    selector: object = None
    mail_from: object = None
    private_key: str | None = None
    start: bool = True
    delegated: bool = False


class DomainView(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a domain with its last check and what must be published."""

    domain: Domain
    plan: Plan
    last_check: CheckResult | None


def plan_of(deps: Deps, domain: Domain) -> Plan:
    """Computes what the customer must publish; it is never stored."""
    return check.plan_for(
        sender=domain.sender,
        zone=domain.zone or domain.sender,
        selector=domain.selector,
        public_key=domain.public_key,
        mail_from_name=domain.mail_from,
        path=deps.provider.return_path,
        rotation=domain.rotation,
        home=domain.key_delegation,
        ed25519=domain.ed25519,
    )


def provider_name(deps: Deps) -> str:
    """Return the name of the mail provider that domains are set up at."""
    return deps.provider.name


def list_edition(deps: Deps) -> bytes:
    """Return what goes into every list of domains besides the domains: the provider's return-path, encoded."""
    return msgspec.json.encode(deps.provider.return_path)


async def list_domains(deps: Deps, account_id: str, page: DomainQuery) -> list[Domain]:
    """Lists an account's domains from what is stored: no DNS, no provider."""
    return await deps.store.domains(account_id, page)


async def list_versions(deps: Deps, account_id: str) -> list[tuple[str, int]]:
    """Lists the ids and versions of an account's domains: as long as these stay, so does all that the list tells."""
    return await deps.store.list_versions(account_id)


async def list_checkups(deps: Deps, listed: Sequence[Domain]) -> Mapping[str, CheckResult]:
    """Return the last check of each of these domains, by the domain's id."""
    return await deps.store.last_checks([each.id for each in listed])


async def find_version(deps: Deps, domain_id: str) -> int | None:
    """Return the version of a domain, which each change raises; None where it is gone."""
    domain = await deps.store.domain_by_id(domain_id)
    return domain.version if domain else None


async def find_domain(deps: Deps, account_id: str, raw: str) -> Domain:
    """Finds one of the account's domains by its name in any spelling; Fault `not-found`."""
    try:
        sender = parse_domain(raw, deps.names).ascii
    except Fault as unreadable:
        raise _not_found(raw) from unreadable
    domain = await deps.store.domain(account_id, sender)
    if domain is None:
        raise _not_found(raw)
    return domain


def _not_found(raw: str) -> Fault:
    return Fault(
        Kind.NOT_FOUND,
        f"This account has no sender domain {raw[:253]!r}.",
        "Look at GET /domains for the names it has, or add this one with POST /domains.",
    )


async def show_domain(deps: Deps, account_id: str, raw: str) -> DomainView:
    """Shows one domain with its last check."""
    return await view(deps, await find_domain(deps, account_id, raw))


async def view(deps: Deps, domain: Domain) -> DomainView:
    """Puts a domain together with its last check and its plan."""
    checkups = await deps.store.last_checks([domain.id])
    return DomainView(domain=domain, plan=plan_of(deps, domain), last_check=checkups.get(domain.id))


async def add_domain(
    deps: Deps, account_id: str, limits: Limits, wish: DomainRequest, idempotency_key: str | None = None
) -> ClaimResult:
    """Adds a domain in one short transaction: name, pooled key, state, event; the same name again changes nothing.

    Nobody waits for DNS, for a provider, or (while the pool holds keys) for a key to be made.
    """
    name = parse_domain(wish.sender, deps.names)
    claim = NewClaim(
        account_id=account_id,
        sender=name.ascii,
        now=deps.now(),
        build=_builder(deps, account_id, name, wish),
        own=await read_own_key(deps, wish.private_key),
        idempotency=(idempotency_key, _digest(name, wish)) if idempotency_key else None,
    )
    claimed = await deps.store.claim(claim, limits)
    if claimed is not ClaimResult.POOL_EMPTY:
        return claimed
    own = new_pooled_key(deps, await asyncio.to_thread(deps.keyring.make_pair))
    return await deps.store.claim(msgspec.structs.replace(claim, own=own), limits)


def _digest(name: DomainName, wish: DomainRequest) -> bytes:
    """Digests what was asked for, so that one Idempotency-Key is not taken for two requests."""
    asked = repr((name.ascii, wish.selector, wish.mail_from, wish.private_key, wish.start))
    if wish.delegated:  # apart, so that requests from before there was such a wish are known again
        asked += "delegated"
    return hashlib.sha256(asked.encode()).digest()


async def read_own_key(deps: Deps, pem: str | None) -> PooledKey | None:
    """Reads a private key of the customer's own, where one was sent; Fault `key-invalid`."""
    if pem is None:
        return None
    return new_pooled_key(deps, await asyncio.to_thread(deps.keyring.read_pem, pem))


class _Builder(msgspec.Struct, frozen=True, kw_only=True):
    """Makes the new domain from a pooled key, inside the store's transaction."""

    deps: Deps
    account_id: str
    name: DomainName
    selector: str
    mail_from: str | None
    slots: KeyDelegation | None
    start: bool
    second: tuple[Ed25519Key, Secret] | None

    def __call__(self, key: PooledKey) -> DomainCreation:
        deps, now = self.deps, self.deps.now()
        secret = deps.keyring.unseal(key.sealed, f"pool|{key.id}")
        draft = new_health(HealthState.DRAFT, now)
        domain = Domain(
            id=new_id(deps, "dom"),
            account_id=self.account_id,
            sender=self.name.ascii,
            selector=self.selector,
            public_key=key.public_key,
            mail_from=self.mail_from,
            zone=registrable(self.name, deps.names).ascii,
            created_at=now,
            last_sync=now,
            dkim=draft,
            mail_from_health=draft if self.mail_from else None,
            key_delegation=self.slots,
            ed25519=self.second[0] if self.second else None,
        )
        created = Event(kind=EventKind.DOMAIN_CREATED, at=now, detail=f"{self.name} was added.")
        step = lifecycle.ask_verification(domain, now) if self.start else Transition(domain=domain)
        due = now if self.start else None
        return DomainCreation(
            domain=msgspec.structs.replace(step.domain, next_check_at=due, check_reason="new"),
            sealed_key=deps.keyring.seal(secret, key_purpose(step.domain)),
            second_key=seal_second_key(deps, domain, self.second),
            events=(created, *step.events),
            effects=(Effect.PUBLISH,) if self.slots else (),
        )


def _builder(deps: Deps, account_id: str, name: DomainName, wish: DomainRequest) -> _Builder:
    home = _new_slots(deps, wish) if wish.delegated else None
    free = delegated_keys.FIRST if home else new_selector(deps)
    selector = free if wish.selector is None else parse_selector(wish.selector, name)
    return _Builder(
        deps=deps,
        account_id=account_id,
        name=name,
        selector=selector,
        mail_from=_mail_from(deps, name, wish.mail_from),
        slots=home,
        start=wish.start,
        second=None if home else second_key(deps),  # the customer publishes two CNAMEs, and never more
    )


def _new_slots(deps: Deps, wish: DomainRequest) -> KeyDelegation:
    """Finds a place in our own zone that no other claim ever had: a token of 80 bits."""
    if deps.publisher is None:
        raise Fault(
            Kind.PARAMETER_INVALID,
            "Delegated DKIM keys need a zone of the operator's own, and this installation has none.",
            "Leave dkimMode away, or have the operator set LETTERHEAD_DKIM_ZONE, LETTERHEAD_DKIM_ZONE_SERVER and "
            "LETTERHEAD_DKIM_ZONE_TSIG.",
        )
    if wish.selector is not None:
        raise Fault(
            Kind.PARAMETER_INVALID,
            f"Delegated DKIM keys take turns at the selectors {delegated_keys.FIRST} and "
            f"{delegated_keys.SECOND}: none can be chosen.",
            "Leave selector away, or dkimMode.",
        )
    token = base64.b32encode(deps.random_octets(10)).decode().lower()
    return KeyDelegation(zone=deps.publisher.zone, token=token)


def second_key(deps: Deps) -> tuple[Ed25519Key, Secret] | None:
    """Makes an Ed25519 key at a selector of its own, where the operator wants that."""
    if not deps.policy.ed25519:
        return None
    pair = deps.keyring.make_ed25519()
    return Ed25519Key(selector=new_selector(deps), public_key=pair.public_key), pair.private_key


def seal_second_key(deps: Deps, domain: Domain, made: tuple[Ed25519Key, Secret] | None) -> NewDomainKey | None:
    """Seals a new Ed25519 key for its domain."""
    if made is None:
        return None
    key, secret = made
    return NewDomainKey(selector=key.selector, sealed=deps.keyring.seal(secret, key_purpose(domain, key.selector)))


def new_selector(deps: Deps) -> str:
    """Makes a selector that nobody can guess or meet twice: `lh` and 40 bits."""
    return "lh" + base64.b32encode(deps.random_octets(5)).decode().lower()


def _mail_from(deps: Deps, name: DomainName, asked: object) -> str | None:
    """Says the MAIL FROM domain; none where the provider has no return-path to point it at."""
    if deps.provider.return_path is None and asked is None:
        return None
    return parse_label_or_name(deps.policy.mail_from_label if asked is None else asked, name, deps.names).ascii


def key_purpose(domain: Domain, selector: str | None = None) -> str:
    """Binds a sealed private key to its claim and selector: moved to another row it does not open."""
    claim = (
        f".{domain.key_delegation.token}" if domain.key_delegation else ""
    )  # where each claim has the same two selectors
    return f"dkim|{domain.account_id}|{domain.sender}|{selector or domain.selector}{claim}"


async def start_verification(deps: Deps, account_id: str, limits: Limits, raw: str) -> None:
    """Starts verification, or brings the next look forward; never makes a state worse.

    A failed domain becomes a pending claim again, which counts; Fault `usage-limit-exceeded`.
    """
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        now = deps.now()
        step = lifecycle.ask_verification(domain, now)
        due = msgspec.structs.replace(step.domain, next_check_at=now, check_reason="asked for")
        counts = limits if domain.dkim.state is HealthState.FAILED else None
        if await deps.store.save(DomainUpdate(domain=due, events=step.events, effects=step.effects), counts):
            return
    raise is_busy(raw)


def is_busy(raw: str) -> Fault:
    """Says that a domain kept changing under us."""
    return Fault(
        Kind.CONFLICT, f"{raw} is being changed by several requests at once.", "Send the request again in a second."
    )


async def delete_domain(deps: Deps, account_id: str, raw: str, actor: Actor) -> None:
    """Deletes a domain: the identity is withdrawn, the key shredded, the selector never used again."""
    for _ in range(RACES):
        domain = await find_domain(deps, account_id, raw)
        now = deps.now()
        step = lifecycle.delete(domain, now)
        row = audit_row(deps, actor, "domain.delete", domain.sender)
        if await deps.store.delete(domain, step.events[0], step.effects, row):
            return
    raise is_busy(raw)


class PrivateKeys(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a domain's private keys as they may be shown, base64 of the PKCS#8 DER; the second one while it is live."""

    dkim: str
    ed25519: str | None = None


async def private_keys(deps: Deps, account_id: str, domains: Sequence[Domain], actor: Actor) -> dict[str, PrivateKeys]:
    """Opens the private keys of these domains, by domain id; writes one audit row.

    Nothing where the installation never shows private keys, or where the audit can't be written (a full disk): the
    rest of the answer goes on, and no key is shown unseen.
    """
    if not domains:
        return {}
    subject = domains[0].sender if len(domains) == 1 else f"{len(domains)} domains"
    return await open_keys(deps, account_id, domains) if await may_open(deps, subject, actor) else {}


async def may_open(deps: Deps, subject: str, actor: Actor) -> bool:
    """Writes down that private keys are read, and says whether they may be."""
    if not deps.policy.expose_private_dkim:
        return False
    try:
        await deps.store.audit(audit_row(deps, actor, "private-key.read", subject))
    except Fault as fault:
        log.warning("private-key.withheld", kind=fault.kind, detail=fault.detail)
        return False
    return True


async def open_keys(deps: Deps, account_id: str, domains: Sequence[Domain]) -> dict[str, PrivateKeys]:
    """Opens the private keys of domains in the order of their names, for whom `may_open` let through."""
    if not domains:
        return {}
    sealed = await deps.store.sealed_keys(account_id, domains[0].sender, domains[-1].sender)
    shown = {}
    for each in domains:
        second = each.ed25519 if each.ed25519 and each.ed25519.live else None
        dkim = _in_clear(deps, each, each.selector, sealed)
        if dkim is not None:
            ed25519 = _in_clear(deps, each, second.selector, sealed) if second else None
            shown[each.id] = PrivateKeys(dkim=dkim, ed25519=ed25519)
    return shown


def _in_clear(deps: Deps, domain: Domain, selector: str, sealed: Mapping[tuple[str, str], bytes]) -> str | None:
    # By selector: a switch between the two reads must not put the new key beside the old selector.
    found = sealed.get((domain.id, selector))
    if found is None:
        return None
    return base64.b64encode(reveal(deps.keyring.unseal(found, key_purpose(domain, selector)))).decode()


def private_key(deps: Deps, domain: Domain, sealed: bytes) -> Secret:
    """Opens one private key for the one place that needs it."""
    return deps.keyring.unseal(sealed, key_purpose(domain))
