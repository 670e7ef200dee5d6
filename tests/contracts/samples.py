"""Make plain values to keep in a store."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count

from msgspec.structs import replace

from letterhead.core.accounts.accounts import Account, ApiKey, Scope
from letterhead.core.accounts.quotas import Limits
from letterhead.core.dns.answers import Exchange, NoData, Perspective, Question, Reply, Snapshot, View
from letterhead.core.domain.domain import Domain, Event, EventKind
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.findings.diagnosis import Finding, Severity
from letterhead.core.plan.plan import PlannedRecord, RecordId, RecordResult, Verdict
from letterhead.ports.keyring import PooledKey
from letterhead.ports.store import Store
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.domains import CheckResult, ClaimResult, DomainCreation, NewClaim

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
_numbers = count(1)


def later(**how: float) -> datetime:
    """Return a time after NOW."""
    return NOW + timedelta(**how)


def fresh_id(prefix: str) -> str:
    """Return an id that no other test uses."""
    return f"{prefix}{next(_numbers):06}"


def audit(action: str = "test.done") -> AuditRow:
    """Make an audit row."""
    return AuditRow(
        at=NOW, actor="operator", account_id=None, action=action, subject="it", address="192.0.2.1", tracking_id=None
    )


def account(**how: object) -> Account:
    """Make an account."""
    made = Account(id=fresh_id("acc"), name="Example", email="post@example.com", limits=Limits(), created_at=NOW)
    return replace(made, **how)


def api_key(account_id: str, **how: object) -> ApiKey:
    """Make an API key."""
    made = ApiKey(
        id=fresh_id("key"),
        account_id=account_id,
        name="first",
        key_type="secret",
        scope=Scope.WRITE,
        masked="sk_…abcd",
        created_at=NOW,
    )
    return replace(made, **how)


def domain(account_id: str, sender: str, **how: object) -> Domain:
    """Make a pending domain that is due now."""
    made = Domain(
        id=fresh_id("dom"),
        account_id=account_id,
        sender=sender,
        selector=fresh_id("s"),
        public_key="MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA" * 9,
        mail_from=f"mail.{sender}",
        zone=sender,
        created_at=NOW,
        last_sync=NOW,
        dkim=new_health(HealthState.PENDING, NOW),
        mail_from_health=new_health(HealthState.PENDING, NOW),
        tokens=("one", "two"),
        next_check_at=NOW,
    )
    return replace(made, **how)


def event(kind: EventKind = EventKind.DOMAIN_PENDING, at: datetime = NOW) -> Event:
    """Make an event."""
    return Event(kind=kind, at=at, detail="It happened.")


def pooled_keys(number: int) -> list[PooledKey]:
    """Make keys for the pool; each has its own sealed octets."""
    return [
        PooledKey(id=one, public_key="MIIB", sealed=b"pooled " + one.encode()) for one in map(fresh_id, ["k"] * number)
    ]


def checkup(at: datetime = NOW, note: str = "seen") -> CheckResult:
    """Make a checkup with one of everything."""
    record = PlannedRecord(id=RecordId.DKIM, host="s._domainkey.example.com", rdtype="TXT", value="v=DKIM1; p=")
    finding = Finding(
        code="dkim.missing",
        severity=Severity.BLOCKING,
        host=record.host,
        title="Missing",
        detail=note,
        fix="Publish it.",
    )
    question = Question(name=record.host, rdtype="TXT", view=View.EVERY_SERVER)
    reply = Reply(perspective=Perspective(view=View.EVERY_SERVER, server="ns1"), answer=NoData(negative_ttl=60))
    return CheckResult(
        taken_at=at,
        results=(RecordResult(record=record, verdict=Verdict.ABSENT, observed=("odd \0 text",)),),
        findings=(finding,),
        snapshot=Snapshot(taken_at=at, exchanges=(Exchange(question=question, replies=(reply,)),)),
    )


@dataclass
class Shop:
    """Puts accounts and domains into a store the way that operations do."""

    store: Store
    built: list[DomainCreation] = field(default_factory=list)

    async def account(self, **how: object) -> Account:
        """Add an account."""
        made = account(**how)
        await self.store.add_account(made, api_key(made.id, id=f"key-{made.id}"), made.id.encode(), audit())
        return made

    async def domain(self, account_id: str, sender: str, **how: object) -> Domain:
        """Add a domain with a key of its own."""
        wanted = domain(account_id, sender, **how)
        assert await self.store.claim(self.claim(wanted, own=pooled_keys(1)[0]), Limits()) is ClaimResult.ADDED
        return wanted

    def claim(
        self, wanted: Domain, own: PooledKey | None = None, idempotency: tuple[str, bytes] | None = None
    ) -> NewClaim:
        """Make the claim that adds a domain."""

        def build(key: PooledKey) -> DomainCreation:
            new = DomainCreation(domain=wanted, sealed_key=b"sealed " + key.sealed, events=(event(),))
            self.built.append(new)
            return new

        return NewClaim(
            zone=wanted.sender,
            unproven_below=1_000_000,
            account_id=wanted.account_id,
            sender=wanted.sender,
            now=NOW,
            build=build,
            own=own,
            idempotency=idempotency,
        )
