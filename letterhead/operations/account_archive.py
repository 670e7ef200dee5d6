"""An account as lines of JSON that another installation imports: their form, the plan of an import, and the import.

The first line has the account and its members, the last one the digest of all before it. Private keys and webhook
secrets are sealed to the recipient. API keys are not in it (their digests mean nothing elsewhere), nor are kept
credentials of DNS hosts, links, invitations, rules to sign in by, sessions, deliveries and the audit.
"""

import base64
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final, Literal, Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account, Scope
from letterhead.core.accounts.members import Member
from letterhead.core.dkim.key_record import parse_key_record
from letterhead.core.dns.lookup import NoRecords, seen_records, txt_question
from letterhead.core.dns.records import Txt
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain, Effect
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.domain.profile import DomainProfile, arriving_profile
from letterhead.core.names.domain_names import NameRules, parse_domain
from letterhead.core.public.webhooks import Webhook
from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind
from letterhead.operations.accounts import AccountNeeds, NewApiKey, NewKeyRequest, new_key
from letterhead.operations.audit import Actor, audit_row
from letterhead.operations.dns_questions import allowance, ask_within
from letterhead.operations.domain_keys import key_purpose
from letterhead.operations.sealed_rows import public_keys
from letterhead.operations.webhooks import secret_purpose
from letterhead.ports.deps import OperationSettings
from letterhead.ports.keyring import Keyring
from letterhead.ports.recipient import RecipientKey
from letterhead.ports.resolver import Resolver
from letterhead.ports.store.account_imports import AccountImportStore, ImportedAccount, ImportedDomain
from letterhead.ports.store.accounts import AccountStore
from letterhead.ports.store.domains import DomainEvent, DomainStore, NewDomainKey
from letterhead.ports.store.leases import LeaseStore
from letterhead.ports.store.members import MemberStore
from letterhead.ports.store.webhooks import WebhookStore

FORMAT: Final = "letterhead-account"
VERSION: Final = 1
MOST_EVENTS: Final = 100_000  # the oldest are left out
Arrival = Literal["as it is", "pending", "refused"]


class StoreForArchives(AccountStore, DomainStore, LeaseStore, WebhookStore, AccountImportStore, MemberStore, Protocol):
    """The account, its people, its domains with their keys and events, and its webhooks."""


class ArchiveNeeds(AccountNeeds, Protocol):
    """What exporting and importing an account needs."""

    @property
    def store(self) -> StoreForArchives: ...
    @property
    def keyring(self) -> Keyring: ...
    @property
    def resolver(self) -> Resolver: ...
    @property
    def names(self) -> NameRules: ...
    @property
    def policy(self) -> OperationSettings: ...


class ArchivedAccount(msgspec.Struct, frozen=True, kw_only=True, rename="camel", tag_field="kind", tag="account"):
    """The first line of an archive."""

    format: str
    version: int
    made_at: datetime
    installation: str
    recipient: str
    account: Account
    members: tuple[Member, ...] = ()


class ArchivedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A private key at a selector, sealed to the recipient, in base64."""

    selector: str
    sealed: str


class ArchivedDomain(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="domain"):
    """A domain with its private keys, what the account keeps about it, and whether it covers the names below it."""

    domain: Domain
    keys: tuple[ArchivedKey, ...]
    profile: DomainProfile = DomainProfile()
    covers: bool = False


class ArchivedWebhook(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="webhook"):
    """A webhook endpoint with its secret.

    `events` are those of an endpoint for some domains, which has none in `webhook`: versions that know no domains
    import it as one that is sent nothing.
    """

    webhook: Webhook
    sealed: str
    events: tuple[str, ...] = ()


class ArchivedEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="event"):
    """An event of one of the domains."""

    event: DomainEvent


class ArchiveEnd(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="end"):
    """The last line: the digest of all lines before it, and how many these are."""

    lines: int
    sha256: str


ArchiveLine = ArchivedAccount | ArchivedDomain | ArchivedWebhook | ArchivedEvent | ArchiveEnd


class PlannedArrival(msgspec.Struct, frozen=True, kw_only=True):
    """How a domain of an archive arrives, and why; `arrives` "pending" is a claim that DNS must prove first."""

    sender: str
    arrives: Arrival
    why: str


class AccountArchive(msgspec.Struct, frozen=True, kw_only=True):
    """A whole archive."""

    head: ArchivedAccount
    domains: tuple[ArchivedDomain, ...]
    webhooks: tuple[ArchivedWebhook, ...]
    events: tuple[ArchivedEvent, ...]
    sha256: str


def read_archive(lines: Iterable[bytes]) -> AccountArchive:
    """Read a whole archive; raise Fault `archive-invalid` where it is not as it was written."""
    decoder, digest = msgspec.json.Decoder(ArchiveLine), sha256()
    read: list[ArchiveLine] = []
    end, events = None, 0
    for line in lines:
        if end is not None:
            raise _invalid("something follows its end")
        try:
            decoded = decoder.decode(line)
        except (msgspec.DecodeError, ValueError) as error:
            raise _invalid(f"line {len(read) + 1} can't be read") from error
        if isinstance(decoded, ArchiveEnd):
            end = decoded
            continue
        events += isinstance(decoded, ArchivedEvent)
        if events > MOST_EVENTS:
            raise _invalid(f"it has more than {MOST_EVENTS} events")
        digest.update(line)
        read.append(decoded)
    head = read[0] if read else None
    if not isinstance(head, ArchivedAccount) or (head.format, head.version) != (FORMAT, VERSION):
        raise _invalid("it is no account of a form that this version reads")
    if end is None or end.lines != len(read):
        raise _invalid("it was cut short")
    if end.sha256 != digest.hexdigest():
        raise _invalid("its digest is another one: it was changed")
    archive = AccountArchive(
        head=head,
        domains=tuple(each for each in read if isinstance(each, ArchivedDomain)),
        webhooks=tuple(each for each in read if isinstance(each, ArchivedWebhook)),
        events=tuple(each for each in read if isinstance(each, ArchivedEvent)),
        sha256=end.sha256,
    )
    owned = [each.domain.account_id for each in archive.domains] + [each.account_id for each in head.members]
    owned += [each.webhook.account_id for each in archive.webhooks]
    owned += [each.event.account_id for each in archive.events]
    if set(owned) - {head.account.id}:
        raise _invalid("it has rows of several accounts")
    return archive


def _invalid(why: str) -> Fault:
    fix = "Bring the file again from where it was exported, or export the account again."
    return Fault(Kind.ARCHIVE_INVALID, f"The file can't be imported: {why}. Nothing was written.", fix)


async def plan_import(deps: ArchiveNeeds, archive: AccountArchive, key: RecipientKey) -> list[PlannedArrival]:
    """Say how each domain of an archive would arrive; nothing is written.

    Faults: `archive-invalid` where it was sealed to another recipient, `conflict` where there is such an account.
    """
    if archive.head.recipient != key.public_text:
        raise _invalid(f"its secrets are sealed to {archive.head.recipient}, and this installation is not that one")
    if await deps.store.account(archive.head.account.id) is not None:
        raise Fault(
            Kind.CONFLICT,
            f"There is an account {archive.head.account.id} here already. Nothing was written.",
            "An account is imported once: nothing to do if this was it. Do not close that one to import it again: a "
            "closed account's names can't come back with their selectors.",
        )
    return [await _plan_arrival(deps, each) for each in archive.domains]


async def _plan_arrival(deps: ArchiveNeeds, archived: ArchivedDomain) -> PlannedArrival:
    domain = archived.domain
    arrives, why = "pending", ""
    holder = await deps.store.holder(domain.sender)
    if domain.key_delegation is not None:
        arrives, why = "refused", f"its keys are served by {domain.key_delegation.zone}: add it here anew"
    elif await deps.store.domain_by_id(domain.id) is not None:
        arrives, why = "refused", f"there is a domain {domain.id} here already"
    elif not is_acceptable(domain, deps.names):
        arrives, why = "refused", "this installation takes no such name"
    elif domain.selector not in {each.selector for each in archived.keys}:
        arrives, why = "refused", "the file lacks its private key"
    elif holder is not None:
        found = await deps.store.domain_by_id(holder)
        why = f"the account {found.account_id} holds it here" if found else "another account holds it here"
    elif not domain.is_holder:
        why = "it was not verified"
    elif await deps.store.is_selector_of_others(domain):
        why = "another account, or one that was closed, held it here with this selector: add it anew after the import"
    elif not await _is_served(deps, domain):
        why = f"DNS does not serve its key at {domain.selector}._domainkey.{domain.sender}"
    else:
        arrives, why = "as it is", "DNS serves its key"
    return PlannedArrival(sender=domain.sender, arrives=arrives, why=why)  # type: ignore[arg-type] # one of the three


def is_acceptable(domain: Domain, names: NameRules) -> bool:
    """Whether the name of a domain is one that could be added here."""
    try:
        return parse_domain(domain.sender, names, owns_suffix=True).ascii == domain.sender
    except Fault:
        return False


async def _is_served(deps: ArchiveNeeds, domain: Domain) -> bool:
    """Whether DNS has the key that signs, at this moment."""
    question = txt_question(f"{domain.selector}._domainkey.{domain.sender}")
    seen = await ask_within(deps.resolver, [question], allowance(account_id=domain.account_id))
    found = seen_records(seen, question)
    if isinstance(found, NoRecords):
        return False
    records = [parse_key_record(each.text) for each in found if isinstance(each, Txt)]
    published = ["".join(each.get("p").split()) for each in records if each is not None]
    return published == [domain.public_key]


async def import_account(
    deps: ArchiveNeeds, archive: AccountArchive, plan: Sequence[PlannedArrival], key: RecipientKey, actor: Actor
) -> NewApiKey:
    """Write an account as it was planned, in one transaction, with a new API key of full scope.

    Faults: those of `plan_import`, `archive-invalid` where a private key does not open or is not that of its domain.
    """
    account, now = archive.head.account, deps.now()
    arrives = {each.sender: each.arrives for each in plan}
    made = new_key(deps, account.id, NewKeyRequest(name="first key after the import", scope=Scope.FULL))
    kept = [each for each in archive.domains if arrives[each.domain.sender] != "refused"]
    ids = {each.domain.id for each in kept}
    imported = ImportedAccount(
        account=account,
        members=archive.head.members,
        key=made.key,
        digest=deps.digest(made.text),
        domains=tuple(
            _arrived(deps, each, key, now, as_it_is=arrives[each.domain.sender] == "as it is") for each in kept
        ),
        webhooks=tuple(_with_secret(deps, each, key) for each in archive.webhooks),
        events=tuple(each.event for each in archive.events if each.event.domain_id in ids),
    )
    row = audit_row(deps, actor, "account.import", f"{account.id} from {archive.head.installation[:40]}")
    await deps.store.import_account(imported, row)
    return made


def _arrived(
    deps: ArchiveNeeds, archived: ArchivedDomain, key: RecipientKey, now: datetime, *, as_it_is: bool
) -> ImportedDomain:
    domain = replace(
        archived.domain,
        version=0,
        registered_at=None,
        identity=None,
        restarted_at=None,
        tokens=(),
        attempts=0,
        challenger_only_since=None,
        contested_at=None,
        next_check_at=now,
        check_reason="imported",
        called_by=None,
        last_sync=now,
    )
    domain = domain if as_it_is else as_claim(domain, now)
    keys = tuple(_resealed(deps, archived, domain, key))
    effects, profile = (Effect.REGISTER,) if as_it_is else (), arriving_profile(archived.profile)
    return ImportedDomain(domain=domain, keys=keys, effects=effects, profile=profile, covers=archived.covers)


def as_claim(domain: Domain, now: datetime) -> Domain:
    """Return a domain as a claim that nothing has proven yet, with the same name, key and selector."""
    draft = new_health(HealthState.DRAFT, now)
    second = domain.ed25519
    draft_domain = replace(
        domain,
        dkim=draft,
        mail_from_health=draft if domain.mail_from else None,
        verified_at=None,
        is_holder=False,
        verdicts=(),
        published=(),
        raised=(),
        rotation=None,
        ed25519=replace(second, live=False, seen_since=None) if second is not None else None,
    )
    return lifecycle.ask_verification(draft_domain, now).domain


def _resealed(
    deps: ArchiveNeeds, archived: ArchivedDomain, domain: Domain, key: RecipientKey
) -> Iterator[NewDomainKey]:
    """Seal the private keys of a domain with our own key ring; those that no record of it has are left out."""
    public = public_keys(domain)
    for each in archived.keys:
        if each.selector not in public:
            continue
        purpose = key_purpose(archived.domain, each.selector)
        secret = key.unseal(_octets(each.sealed), purpose)
        if public[each.selector] and deps.keyring.public_key(secret) != public[each.selector]:
            raise _invalid(f"the key {each.selector} of {domain.sender} is not that of its public key")
        yield NewDomainKey(selector=each.selector, sealed=deps.keyring.seal(secret, key_purpose(domain, each.selector)))


def _with_secret(deps: ArchiveNeeds, archived: ArchivedWebhook, key: RecipientKey) -> tuple[Webhook, bytes]:
    purpose = secret_purpose(archived.webhook)
    secret: Secret = key.unseal(_octets(archived.sealed), purpose)
    webhook = archived.webhook
    return replace(webhook, events=archived.events or webhook.events), deps.keyring.seal(secret, purpose)


def _octets(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError as error:
        raise _invalid("a secret in it can't be read") from error
