"""Knows what the operations need of the outside world, as protocols; knows no implementation of any."""
# Long because it is the one list of all ports: protocols and their values, no code.

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

import msgspec

from letterhead.core.accounts.accounts import Account, ApiKey, Caller, Scope, Session
from letterhead.core.accounts.quotas import Limits
from letterhead.core.accounts.setup_links import SetupLink
from letterhead.core.dns.answers import Question, Reply, Snapshot
from letterhead.core.domain.domain import Change, Domain, Effect, Event, Slots
from letterhead.core.domain.provider_identity import Holding, IdentityWish, ProviderWord, ReturnPath, Word
from letterhead.core.domain.statistics import Move
from letterhead.core.findings.diagnosis import Finding
from letterhead.core.names.domain_names import NameRules
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.plan.plan import RecordId, Standing, Verdict
from letterhead.core.public.webhooks import Fate, Reach, Replied, Ruling, Target, Webhook
from letterhead.core.relay.queue import Answer, Progress, Queued
from letterhead.core.schedule.check_lag import Tally
from letterhead.core.schedule.reminder_mail import Letter
from letterhead.core.schedule.reminders import Reminder
from letterhead.core.secret import Secret
from letterhead.core.zone.resolver_outage import Silence


@dataclass(slots=True)
class Allowance:
    """Bounds what one check may send and how long it may take; counts down as it is used.

    `until` is in seconds of the event loop's clock.
    """

    packets: int
    until: float


class Resolver(Protocol):
    """Asks DNS."""

    async def ask(self, questions: Iterable[Question], allowance: Allowance) -> dict[Question, tuple[Reply, ...]]:
        """Asks all questions side by side and answers every one of them; DNS trouble is a value, never raised."""
        ...


class Quota(StrEnum):
    """Names what a provider's account allows so much of."""

    MAILS = "mails"  # in 24 hours
    RATE = "rate"  # mails in a second
    IDENTITIES = "identities"


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """Says how much of something is used and how much allowed; None where it is not told, or nothing limits it."""

    quota: Quota
    used: float | None = None
    allowed: float | None = None


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Says how one thing about the provider's account is; `fix` where it is not as it should be."""

    said: str
    ok: bool = True
    fix: str | None = None
    uses: tuple[Use, ...] = ()


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what the provider's account was found to be at a time."""

    at: datetime
    told: tuple[Condition, ...]


class Provider(Protocol):
    """Speaks to one mail provider. Trouble is a `Fault` with `provider` and `provider_code`, but for `look`."""

    @property
    def name(self) -> str:
        """Names the provider, as in an error's `provider`."""
        ...

    @property
    def return_path(self) -> ReturnPath | None:
        """Says what a MAIL FROM domain must point at; nothing where no MAIL FROM is planned."""
        ...

    async def look(self, sender: str, owner: str) -> ProviderWord:
        """Tells the provider's word on a domain; trouble is `IdentityUnknown`, never raised."""
        ...

    async def register(self, wish: IdentityWish, private_key: Secret) -> ProviderWord:
        """Makes the provider hold what is wished: idempotent, and never over somebody else's identity."""
        ...

    async def restart(self, wish: IdentityWish, private_key: Secret) -> ProviderWord:
        """Starts the provider's own look at DNS again, where it had given up."""
        ...

    async def withdraw(self, sender: str, owner: str) -> None:
        """Deletes our identity; one that is gone already, or somebody else's, is left alone."""
        ...

    async def listed(self) -> Mapping[str, Word] | None:
        """Lists all that the provider holds with its word on each, whoever put it there; None where it has no list."""
        ...

    async def holding(self, sender: str) -> Holding | None:
        """Tells what the provider holds under a name, whoever put it there; nothing where there is nothing."""
        ...

    async def adopt(self, sender: str, owner: str) -> None:
        """Puts our owner tag on what is there, whoever put it there: an operator's explicit wish, never our own.

        Nothing else of it is changed. Fault `provider-refused` where there is nothing.
        """
        ...

    async def account(self) -> Sequence[Condition]:
        """Looks who we are at the provider, what it allows and what of it is used, in few calls. Never raises."""
        ...

    async def conditions(self) -> Sequence[Condition]:
        """Looks at the account and tries what we need to be allowed there: for a person who asks. Never raises."""
        ...


class Publisher(Protocol):
    """Writes the operator's own zone, in which keys are served that customers' CNAMEs lead to."""

    @property
    def zone(self) -> str:
        """Names the zone."""
        ...

    async def publish(self, texts: Mapping[str, str | None], ttl: timedelta) -> None:
        """Makes each of these names hold this one TXT, or none: all of them at once or nothing, and idempotent.

        Faults: `unreachable`; `config-invalid` where the server refuses, with its word as `provider_code`, or a name
        is none of those below this zone that are ours to write.
        """
        ...

    async def conditions(self) -> Sequence[Condition]:
        """Tries whether the zone could be written, and changes nothing. Never raises."""
        ...


class Post(StrEnum):
    """Says what became of a message that was handed over."""

    ACCEPTED = "accepted"
    LATER = "later"  # refused for now, before anybody took it: it may be handed over again
    REFUSED = "refused"  # for good
    UNKNOWN = "unknown"  # it broke off after the message went out: perhaps it was taken


class Handed(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what became of a message, with the server's own words or what happened to the connection."""

    post: Post
    said: str


class Mailer(Protocol):
    """Hands messages to a mail server."""

    async def send(self, letter: Letter) -> Handed:
        """Hands one message over; trouble is a value, never raised."""
        ...

    async def reach(self) -> Handed:
        """Goes as far as a message would, sign-in and all, and sends none."""
        ...


class Mailbox(Protocol):
    """Reads the mailbox that proofs are sent to; changes nothing there."""

    async def find(self, token: str) -> bytes | None:
        """Finds the message with a token (letters and digits) in its subject, of at most 64 KB; Fault
        `provider-failed` where the mailbox can't be read."""
        ...


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one key: `public_key` is what `p=` of its DKIM record says, `private_key` the PKCS#8 DER.

    The former is base64 of an RSA key's SPKI DER (RFC 6376 3.6.1), of the 32 octets of an Ed25519 key (RFC 8463 4).
    """

    public_key: str
    private_key: Secret


class Keyring(Protocol):
    """Makes keys and keeps them sealed at rest."""

    def make_pair(self) -> KeyPair:
        """Makes an RSA-2048 key; takes some 50 ms of CPU, so call it in a thread."""
        ...

    def make_ed25519(self) -> KeyPair:
        """Makes an Ed25519 key, in no time."""
        ...

    def read_pem(self, pem: str) -> KeyPair:
        """Reads a customer's own private key (PKCS#1 or PKCS#8 PEM); Fault `key-invalid` names the problem."""
        ...

    def seal(self, secret: Secret, purpose: str) -> bytes:
        """Encrypts a secret bound to its purpose (`purpose|account|domain|selector`): elsewhere it does not open."""
        ...

    def unseal(self, sealed: bytes, purpose: str) -> Secret:
        """Decrypts what `seal` made for the same purpose; Fault `keyring-wrong` where it does not open."""
        ...

    def rewrapped(self, sealed: bytes) -> bytes | None:
        """Wraps a sealed secret's data key with the first key-encryption key; nothing where it is so already."""
        ...


class PooledKey(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a key made ahead: `sealed` opens for the purpose `pool|<id>`."""

    id: str
    public_key: str
    sealed: bytes


class NewKey(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a private key that a domain gets beside the one it has, sealed for its selector."""

    selector: str
    sealed: bytes


class NewDomain(msgspec.Struct, frozen=True, kw_only=True):
    """Holds all that one transaction writes for a new claim; `second_key` is the domain's Ed25519 key, if any."""

    domain: Domain
    sealed_key: bytes
    second_key: NewKey | None = None
    events: tuple[Event, ...]
    effects: tuple[Effect, ...] = ()


class Claim(msgspec.Struct, frozen=True, kw_only=True):
    """Asks the store for a new domain: `build` makes it from a pooled key, inside the transaction and without waiting.

    `own` is given where no pooled key is wanted. `idempotency` is the client's key and a digest of its request.
    """

    account_id: str
    sender: str
    now: datetime
    build: Callable[[PooledKey], NewDomain]
    own: PooledKey | None = None
    idempotency: tuple[str, bytes] | None = None


class Claimed(StrEnum):
    """Says how a claim went."""

    ADDED = "added"
    THERE = "there"  # the account has it already, or the Idempotency-Key was used for it before
    POOL_DRY = "pool-dry"  # no key made ahead is left


class SealedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one sealed secret, wherever it is kept: `place` and `key` find it again."""

    place: str
    key: str
    sealed: bytes


class Checkup(msgspec.Struct, frozen=True, kw_only=True):
    """Holds the last check of a domain: how each record stands, what was found, and all that was seen."""

    taken_at: datetime
    standings: tuple[Standing, ...]
    findings: tuple[Finding, ...]
    snapshot: Snapshot

    @property
    def silent(self) -> bool:
        """Says whether nobody answered about the record that decides."""
        dkim = [each for each in self.standings if each.record.id is RecordId.DKIM]
        return any(each.verdict is Verdict.UNANSWERED for each in dkim)


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what is told of a domain because of another one."""

    domain: Domain
    event: Event


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what one transaction writes after a check or an asked-for change.

    `domain.version` is the version that was read; the store raises it by one. `effects` become intents: work outside
    that survives the process. `basis` is what the checkup's findings follow from. `notices` are told of other domains,
    which stay as they are. `new_key` is kept under a selector never used before at this name, `second_key` likewise.
    `signed_before` is the selector that signed until now, where the key at `domain.selector` takes over; the keys at
    those in `shed` are destroyed.
    """

    domain: Domain
    events: tuple[Event, ...] = ()
    notices: tuple[Notice, ...] = ()
    effects: tuple[Effect, ...] = ()
    checkup: Checkup | None = None
    basis: str | None = None
    new_key: NewKey | None = None
    second_key: NewKey | None = None
    signed_before: str | None = None
    shed: tuple[str, ...] = ()


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what a check wants to know beside the domain itself.

    `watched_until` is until when somebody was last known to have the set-up page open, `used_selectors` are those that
    the account ever used at the name, `basis` is what the findings of the last checkup follow from.
    """

    watched_until: datetime | None = None
    used_selectors: tuple[str, ...] = ()
    basis: str | None = None


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one piece of work outside, leased to the one who claimed it.

    `slots` are those that the domain had: what is in our zone must go even where nothing else is left of it.
    """

    id: str
    effect: Effect
    domain_id: str
    account_id: str
    sender: str
    attempts: int
    slots: Slots | None = None


class OwedReminder(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one reminder that is due, leased to the one who claimed it."""

    id: str
    domain_id: str
    account_id: str
    reminder: Reminder
    attempts: int


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Says who did what, when, from where, by which key."""

    at: datetime
    actor: str  # a key's id, "operator", or "worker"
    account_id: str | None
    action: str  # noun.verb
    subject: str
    address: str | None
    tracking_id: str | None


class KeptAudit(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a row of the audit with its number."""

    number: int
    row: AuditRow


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Says which of an account's domains are wanted, in the order of their names; all of them by default."""

    limit: int | None = None
    after: str | None = None  # a sender: begin behind it
    status: str | None = None  # the wire's word
    contains: str | None = None
    problem: str | None = None  # the code of a finding of the last check


class KeptWebhook(msgspec.Struct, frozen=True, kw_only=True):
    """Holds an endpoint as it is kept: its secrets open for the purpose `webhook|<account>|<id>`."""

    webhook: Webhook
    sealed: bytes
    old_sealed: bytes | None = None


class OwedDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one message that an endpoint is owed, leased to `owner`; `id` is the event's, and the message's for ever.

    `domain` is as the event left it; a test has none.
    """

    id: str
    kept: KeptWebhook
    kind: str
    at: datetime
    detail: str
    change: Change | None = None
    domain: Domain | None = None
    failures: int
    owner: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one attempt of a delivery: the status if there was an answer, its words or what went wrong instead."""

    at: datetime
    milliseconds: int
    status: int | None = None
    said: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a delivery with every attempt, the oldest first; `due_at` is when it is tried next."""

    id: str
    kind: str
    at: datetime
    detail: str
    fate: Fate
    due_at: datetime | None = None
    attempts: tuple[Attempt, ...] = ()


class Outbound(Protocol):
    """Sends a message to an endpoint of somebody else's, on the public Internet alone."""

    async def post(self, target: Target, headers: Mapping[str, str], body: bytes) -> Replied:
        """Sends one POST and reads what came of it; trouble is a value, never raised. Redirects are not followed."""
        ...


class Notices(Protocol):
    """Reads what the mail provider sends by itself."""

    async def read(self, body: bytes) -> frozenset[str]:
        """Lists the names that a notice is about, in lower case; one that asks for a confirmation is confirmed.

        Faults: `body-not-json`, `body-invalid`, `notice-refused` where it is not genuine; `provider-failed` and
        `too-many-requests` where that could not be found out now.
        """
        ...


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """Says how a budget that all processes share stands: one turn `every` so long, the next free one, how many went."""

    name: str
    every: timedelta | None
    next_at: datetime
    taken: int


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """Says how much work is due; `lag` is the age of the oldest due check in seconds."""

    due: int
    lag: float
    intents: int
    pooled_keys: int
    reminders: int
    deliveries: int = 0


class DomainEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one event of a domain as it is kept: `id` is stable for ever."""

    id: str
    domain_id: str
    account_id: str
    sender: str
    event: Event
    check_id: str | None = None  # of the check that it follows from


class Store(Protocol):
    """Keeps everything. Each method is one transaction; storage trouble is Fault `storage-unavailable`."""

    # accounts and API keys

    async def add_account(self, account: Account, key: ApiKey, digest: bytes, audit: AuditRow) -> None:
        """Adds an account with its first key; `digest` is the keyed digest of the key's text."""
        ...

    async def accounts(self) -> list[Account]:
        """Lists all accounts, the oldest first."""
        ...

    async def account(self, account_id: str) -> Account | None:
        """Finds one account."""
        ...

    async def change_account(self, account: Account, audit: AuditRow) -> bool:
        """Writes name, email and limits; false where there is no such account."""
        ...

    async def delete_account(self, account_id: str, audit: AuditRow) -> bool:
        """Deletes an account that has no domains left, with its keys; false where there is none.

        Fault `conflict` where it has domains.
        """
        ...

    async def caller(self, digest: bytes) -> Caller | None:
        """Finds who owns an API key; ended keys too, with `ends_at`."""
        ...

    async def add_key(self, key: ApiKey, digest: bytes, audit: AuditRow) -> None:
        """Adds an API key to an account."""
        ...

    async def keys(self, account_id: str) -> list[ApiKey]:
        """Lists an account's API keys, the oldest first, ended ones too."""
        ...

    async def end_key(self, account_id: str, key_id: str, at: datetime, audit: AuditRow) -> bool:
        """Ends a key at a time; false where the account has no such key."""
        ...

    async def count_requests(self, month: str, made: Mapping[str, int], used: Mapping[str, datetime]) -> dict[str, int]:
        """Adds requests made to each account's month (`2026-11`), notes when keys were used, gives the new totals."""
        ...

    # domains

    async def domains(self, account_id: str, page: Page) -> list[Domain]:
        """Lists an account's domains in the order of their names."""
        ...

    async def marks(self, account_id: str) -> list[tuple[str, int]]:
        """Lists the ids and versions of an account's domains: they differ wherever one of the domains does."""
        ...

    async def count_domains(self, account_id: str) -> int:
        """Counts an account's domains."""
        ...

    async def count_unproven(self, account_id: str) -> int:
        """Counts an account's domains that were never proven."""
        ...

    async def domain(self, account_id: str, sender: str) -> Domain | None:
        """Finds one of an account's domains."""
        ...

    async def domain_by_id(self, domain_id: str) -> Domain | None:
        """Finds a domain for the worker."""
        ...

    async def holder(self, sender: str) -> str | None:
        """Names the id of the domain that holds the name, if any does."""
        ...

    async def held_domains(self, after: str, limit: int) -> list[Domain]:
        """Lists the domains that hold their names, of all accounts, in the order of the names behind `after`."""
        ...

    async def held_around(self, domain: Domain) -> list[Domain]:
        """Finds other accounts' held domains whose name lies above or below a domain's; of those below the first."""
        ...

    async def checkups(self, domain_ids: Collection[str]) -> dict[str, Checkup]:
        """Finds the last checks of domains; those never checked are left out."""
        ...

    async def claim(self, claim: Claim, limits: Limits) -> Claimed:
        """Adds a domain in one transaction: within the account's limits, no selector used before at this name.

        Fault `usage-limit-exceeded`, `selector-used`, `idempotency-key-reused` (used for another request), `not-found`
        where the account is gone.
        """
        ...

    async def save(self, outcome: Outcome, limits: Limits | None = None) -> bool:
        """Writes what came of a check and hands the lease back; false, with nothing written, where the domain has
        changed since it was read or another domain holds the name by now. Fault `selector-used` for its new key;
        `usage-limit-exceeded` where it leaves more claims without proof than the limits allow."""
        ...

    async def confirm(self, domain: Domain, at: datetime) -> bool:
        """Writes that a check at a time saw what the last one saw, and hands the lease back: the checkup stands, taken
        again. Name, status and hold are as before. False where the domain has changed since it was read."""
        ...

    async def transfer(self, loser: Outcome, winner: Outcome, audit: Sequence[AuditRow]) -> bool:
        """Moves the hold of a name in one transaction, the loser's part first; false, with nothing written, where
        either domain has changed since it was read."""
        ...

    async def delete(self, domain: Domain, event: Event, effects: Sequence[Effect], audit: AuditRow) -> bool:
        """Deletes a domain: its sealed key is gone, its selector stays used; intents take away what is left outside.

        False, with nothing written, where the domain is gone or has changed since it was read.
        """
        ...

    async def beside(self, domains: Sequence[Domain]) -> dict[str, Beside]:
        """Finds what checks of domains want to know beside them, by the domains' ids."""
        ...

    async def sealed_key(self, domain_id: str, selector: str) -> bytes | None:
        """Finds the sealed private key of a domain at one of its selectors."""
        ...

    async def sealed_keys(
        self, account_id: str, first: str = "", last: str | None = None
    ) -> dict[tuple[str, str], bytes]:
        """Finds the sealed private keys of an account's domains from one name to another, by domain id and selector."""
        ...

    async def take_key(self) -> PooledKey | None:
        """Takes a key made ahead out of the pool; nothing where it is dry."""
        ...

    # work

    async def claim_due(self, now: datetime, until: datetime, owner: str, limit: int) -> list[Domain]:
        """Leases due domains to `owner` until a time, the longest due first; each to one owner only."""
        ...

    async def look_sooner(self, domain_id: str, due: datetime) -> None:
        """Brings a domain's next check forward to `due`; a later one is not put off, a lease not touched."""
        ...

    async def back_off(self, domain_id: str, due: datetime) -> None:
        """Puts a domain's next check off to `due` after a bug, and ends its lease."""
        ...

    async def claim_intents(self, now: datetime, until: datetime, owner: str, limit: int) -> list[Intent]:
        """Leases due intents likewise; several intents of one name are given out in order, one at a time.

        Work in our own zone and work at the provider do not wait for each other.
        """
        ...

    async def finish_intent(self, intent_id: str) -> None:
        """Removes an intent that is done."""
        ...

    async def postpone_intent(self, intent_id: str, due: datetime, reason: str) -> None:
        """Gives an intent back, to be claimed again at `due`, one attempt older."""
        ...

    async def claim_reminders(self, now: datetime, until: datetime, owner: str, limit: int) -> list[OwedReminder]:
        """Leases due reminders likewise, but for those that were handed over or settled.

        They are written by `claim` and `save` with the events and states they follow from, each once for ever.
        """
        ...

    async def hand_over(self, reminder_id: str, owner: str, now: datetime) -> bool:
        """Marks a reminder as handed over, before it is: from here on it is never claimed again.

        False where it is not leased to `owner` any more.
        """
        ...

    async def settle_reminder(self, reminder_id: str, outcome: str, detail: str, sent_at: datetime | None) -> None:
        """Closes a reminder; with `sent_at` its domain remembers when it was last reminded."""
        ...

    async def postpone_reminder(self, reminder_id: str, due: datetime, detail: str) -> None:
        """Gives a reminder that nobody took back, to be claimed again at `due`, one attempt older."""
        ...

    async def silence(self) -> Silence | None:
        """Counts the zones that fell silent since the last check that was answered; nothing where there is none."""
        ...

    async def hand_back(self, owner: str, now: datetime) -> None:
        """Ends all leases of an owner that stops."""
        ...

    async def take_turn(self, name: str, now: datetime, every: timedelta, latest: datetime) -> datetime | None:
        """Takes the next turn of a budget that all processes share and that gives one in each `every`.

        Nothing is taken where that would be after `latest`.
        """
        ...

    async def pool_keys(self, keys: Sequence[PooledKey]) -> None:
        """Adds keys made ahead."""
        ...

    async def backlog(self, now: datetime) -> Backlog:
        """Counts due work."""
        ...

    async def events(
        self, account_id: str, domain_id: str | None, after: str | None, limit: int, sender: str | None = None
    ) -> list[DomainEvent]:
        """Lists events, the oldest first, of one domain or of all; `after` is an event's id, `sender` a name."""
        ...

    async def event(self, account_id: str, event_id: str) -> DomainEvent | None:
        """Finds one event of an account."""
        ...

    async def evidence(self, check_id: str) -> Checkup | None:
        """Finds the check that events follow from."""
        ...

    # webhooks

    async def webhooks(self, account_id: str) -> list[KeptWebhook]:
        """Lists an account's endpoints, the oldest first."""
        ...

    async def webhook(self, account_id: str, webhook_id: str) -> KeptWebhook | None:
        """Finds one of an account's endpoints."""
        ...

    async def add_webhook(self, webhook: Webhook, sealed: bytes, most: int, audit: AuditRow) -> bool:
        """Adds an endpoint; false where the account has `most` of them."""
        ...

    async def change_webhook(self, webhook: Webhook, audit: AuditRow) -> bool:
        """Writes an endpoint's URL and events and lets it be tried again; false where there is no such endpoint."""
        ...

    async def rotate_secret(
        self, account_id: str, webhook_id: str, sealed: bytes, old_until: datetime, audit: AuditRow
    ) -> bool:
        """Gives an endpoint a new secret, and keeps the one before until a time; false where there is no such one."""
        ...

    async def delete_webhook(self, account_id: str, webhook_id: str, audit: AuditRow) -> bool:
        """Deletes an endpoint with all that it is owed; false where there is no such endpoint."""
        ...

    async def try_webhook(self, webhook_id: str, kind: str, detail: str, at: datetime) -> str:
        """Owes an endpoint a message that follows from no event, and gives its id."""
        ...

    async def claim_deliveries(
        self, now: datetime, until: datetime, owner: str, limit: int, *, failing: bool, places: int
    ) -> list[OwedDelivery]:
        """Leases due deliveries, at most `places` at a time for each endpoint; to those that fail, or to the others.

        They are written with the events that they tell, one for each endpoint that wants them.
        """
        ...

    async def attempted(self, owed: OwedDelivery, attempt: Attempt, ruling: Ruling) -> None:
        """Writes an attempt down with what follows from it, and ends the lease.

        One by somebody whose lease ran out meanwhile is written down too, and only moves a delivery that arrived.
        """
        ...

    async def deliveries(self, webhook_id: str, before: str | None, limit: int) -> list[Delivery]:
        """Lists what an endpoint was and is owed with every attempt, the newest first; `before` is a delivery's id."""
        ...

    async def delivery(self, webhook_id: str, delivery_id: str) -> Delivery | None:
        """Finds one delivery."""
        ...

    async def redeliver(self, webhook_id: str, delivery_id: str, audit: AuditRow) -> bool:
        """Makes a delivery due anew, under its own id; false where there is no such delivery."""
        ...

    # pages

    async def add_setup_link(self, link: SetupLink, digest: bytes, audit: AuditRow) -> None:
        """Adds a link; `digest` is the keyed digest of its token."""
        ...

    async def setup_links(self, domain_id: str) -> list[SetupLink]:
        """Lists a domain's links, the oldest first, ended ones too."""
        ...

    async def setup_link(self, digest: bytes) -> SetupLink | None:
        """Finds a link by its token's digest, ended or not."""
        ...

    async def end_setup_link(self, domain_id: str, link_id: str, at: datetime, audit: AuditRow) -> bool:
        """Ends a link at a time, unless it ended before; false where the domain has no such link."""
        ...

    async def watch(self, domain_id: str, link_id: str, now: datetime, until: datetime) -> None:
        """Notes that somebody has a domain's page open until a time."""
        ...

    async def add_session(self, session: Session, digest: bytes, audit: AuditRow) -> None:
        """Adds a session under its token's digest, and forgets those that are over."""
        ...

    async def session(self, digest: bytes) -> Session | None:
        """Finds a session by its token's digest, with its key's scope and its account's limits as they are now."""
        ...

    async def end_session(self, digest: bytes) -> None:
        """Ends one session."""
        ...

    async def end_sessions(self, account_id: str | None) -> None:
        """Ends all sessions of an account, or with None all of the operator."""
        ...

    async def end_own_sessions(self, account_id: str, key_id: str | None, mark: bytes) -> None:
        """Ends all sessions of one key, or where there is none of one person, whom `mark` names."""
        ...

    async def count_statuses(self, account_id: str) -> Mapping[str, int]:
        """Counts an account's domains by the wire's word for their state."""
        ...

    async def moves(self, account_id: str, limit: int) -> Sequence[Move]:
        """Tells the newest changes of state of an account's domains, deleted ones too, the oldest of them first."""
        ...

    async def tally(self, name: str, counted: Mapping[tuple[datetime, int], int]) -> None:
        """Adds to the numbers of a name, each by a time in its five minutes and by its step."""
        ...

    async def tallies(self, name: str, since: datetime) -> list[Tally]:
        """Lists the numbers of a name since a time, the oldest first; only those that are not nothing."""
        ...

    async def budgets(self, since: datetime) -> list[Budget]:
        """Lists the budgets whose turns all processes take, with how many were taken since a time."""
        ...

    async def keep_conditions(self, provider: str, conditions: Conditions) -> None:
        """Keeps what a provider's account was found to be, in the place of what it was before."""
        ...

    async def conditions(self, provider: str) -> Conditions | None:
        """Tells what a provider's account was last found to be; nothing where nobody has looked."""
        ...

    async def lateness(self, now: datetime) -> Sequence[int]:
        """Counts the checks that are due by how long they have been: under 1 s, 10 s, 1 min, 5 min, and more."""
        ...

    # the rest

    async def ready(self) -> None:
        """Answers when storage can be used; Fault `storage-unavailable` where it can't."""
        ...

    async def audit(self, row: AuditRow) -> None:
        """Appends to the audit."""
        ...

    async def sealed_secrets(self, after: tuple[str, str], limit: int) -> list[SealedSecret]:
        """Lists sealed secrets of every kind in the order of place and key, behind `after`; `("", "")` begins."""
        ...

    async def reseal(self, secret: SealedSecret, sealed: bytes) -> bool:
        """Keeps a secret sealed otherwise; false, with nothing written, where it has changed or gone since."""
        ...

    async def audit_rows(self, account_id: str | None, before: int | None, limit: int) -> list[KeptAudit]:
        """Lists the audit of one account or of all, the newest first; `before` is a row's number."""
        ...

    # what is forgotten: never what explains a present state (the events since it was entered, the last of each record)

    async def prune_events(self, before: datetime) -> int:
        """Deletes some events of before a time that explain nothing present, and says how many."""
        ...

    async def prune_snapshots(self, before: datetime) -> int:
        """Parts some such events from the checks behind them, deletes checks that are left over, says how many."""
        ...

    async def prune_deliveries(self, before: datetime) -> int:
        """Deletes some deliveries of before a time that are not under way, with their attempts; says how many."""
        ...

    async def prune_tallies(self, before: datetime) -> int:
        """Deletes the numbers of before a time, and says how many."""
        ...

    async def prune_turns(self, before: datetime) -> int:
        """Deletes some turns that are over before a time, which is as if nobody had taken them; says how many."""
        ...

    async def vault(self, name: str, blob: bytes | None = None) -> bytes | None:
        """Reads a named sealed secret of the installation; given a blob, keeps it if there is none yet."""
        ...


class SignInAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what ties one attempt to sign in to one browser; `back` is where the provider leads it to afterwards."""

    back: str
    state: str
    nonce: str
    verifier: str
    challenge: str


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """Says who signed in elsewhere, by the provider's own name, of which account they are said to be, and what they
    may do in it."""

    subject: str
    account_id: str | None
    scope: Scope


class SignIn(Protocol):
    """Has people signed in by somebody else, by OpenID Connect."""

    async def address(self, attempt: SignInAttempt) -> str:
        """Gives the provider's address to lead a browser to; Fault `provider-failed`."""
        ...

    async def person(self, attempt: SignInAttempt, code: str) -> Person:
        """Exchanges a code for who signed in; Faults `unauthorized`, `provider-failed`."""
        ...


class Meter(Protocol):
    """Keeps the service's numbers; no label may come from a client's text."""

    @property
    def media_type(self) -> str:
        """Names the form that `text` tells them in."""
        ...

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Counts one request; `route` is a template, never a path."""
        ...

    def checked(self, outcome: str) -> None:
        """Counts one check by the status that it left, or "lost" where its work was thrown away."""
        ...

    def relayed(self, outcome: str) -> None:
        """Counts one message of the relay: accepted, refused, sent, deferred or bounced."""
        ...

    def queue_holds(self, messages: int) -> None:
        """Notes how many messages the relay has taken and not handed over."""
        ...

    def tell_at(self, host: str, port: int) -> None:
        """Tells all numbers to whoever asks there, from now on; for a process that has no other door."""
        ...

    def text(self, backlog: Backlog | None, silence: Silence | None) -> bytes:
        """Tells all numbers, with how much work waits where that is known, and who fell silent."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Says for how long history is kept."""

    events: timedelta
    snapshots: timedelta
    deliveries: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Holds the settings that operations follow."""

    expose_private_dkim: bool
    mail_from_label: str
    installation: str  # the first part of the owner tag
    public_url: str  # of links, without a final slash
    check_seconds: float  # that all questions of one check may take together
    reach: Reach  # where webhooks may lead
    kept: Kept
    ed25519: bool = False  # whether domains get a second key, of Ed25519
    rotate_after: timedelta | None = None  # the age at which a DKIM key is replaced; None where nobody asked for that


@dataclass(frozen=True, slots=True, kw_only=True)
class Proving:
    """Says how proofs are sent: to whom, by whom, and where they are read, if anywhere."""

    to: str
    mailer: Mailer
    mailbox: Mailbox | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deps:
    """Gathers what operations need; made by wiring alone."""

    resolver: Resolver
    provider: Provider
    store: Store
    mailer: Mailer | None  # None where no mail server is set
    outbound: Outbound
    keyring: Keyring
    names: NameRules
    policy: Policy
    meter: Meter
    digest: Callable[[str], bytes]  # of an API key's text, with the installation's pepper
    now: Callable[[], datetime]
    chance: Callable[[int], bytes]  # so many octets nobody can guess
    sign_in: SignIn | None = None  # None where no OpenID Connect provider is set
    hosts: tuple[DnsHost, ...] = ()  # the DNS hosts whose panels we know
    rules: str = ""  # names the version of the rules and of that table
    notices: Notices | None = None  # None where no notices are expected
    publisher: Publisher | None = None  # None where the operator has no zone for keys
    proving: Proving | None = None  # None where no mailbox for proofs is set


# --- the signing relay ----------------------------------------------------------------------------------------------


class MailQueue(Protocol):
    """Keeps messages on this machine's disk until they are handed over; what is told as kept survives a power cut.

    Trouble with the disk is Fault `storage-unavailable`.
    """

    async def put(self, queued: Queued, content: bytes) -> None:
        """Keeps a message: on the disk when this returns, or not at all."""
        ...

    async def content(self, message_id: str) -> bytes | None:
        """Reads a message's text; nothing where it is gone."""
        ...

    async def note(self, message_id: str, progress: Progress) -> None:
        """Notes how far a message is."""
        ...

    async def remove(self, message_id: str) -> None:
        """Forgets a message; one that is gone already is left so."""
        ...

    async def owed(self) -> list[Queued]:
        """Lists all that is kept, the oldest first; what a crash left half-written is cleared away."""
        ...


class Signer(Protocol):
    """Signs messages."""

    def sign(self, content: bytes, domain: str, selector: str, private_key: Secret, at: datetime) -> bytes:
        """Gives the message with a DKIM signature of this time before it.

        Takes some milliseconds of CPU, so call it in a thread.
        """
        ...


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """Holds what the next server said for each recipient; `reached` is false where it never came to a message."""

    answers: Mapping[str, Answer] = {}
    reached: bool = True
    said: str = ""


class SmartHost(Protocol):
    """Hands messages to the one server that sends them on."""

    async def hand(self, sender: str, recipients: Sequence[str], content: bytes, *, utf8: bool) -> Handover:
        """Hands one message over and tells what was said for each recipient; trouble is a value, never raised."""
        ...

    async def close(self) -> None:
        """Ends the connections that are open."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaying:
    """Gathers what the signing relay needs beside `Deps`."""

    queue: MailQueue
    signer: Signer
    smart_host: SmartHost
    host: str  # what the relay calls itself
    keep: timedelta  # how long a message is tried
    opened: set[tuple[str, str]]  # domain ids and selectors whose keys this process has opened, and said so
