"""Set-up links, sessions, the statistics of the dashboard, and the domains of all accounts, in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, get_args

from msgspec.structs import replace

from letterhead.adapters.storage import key_rows, rows
from letterhead.adapters.storage.accounts import append_audit
from letterhead.adapters.storage.engine import DatabaseRow, Engine, SqlValue
from letterhead.adapters.storage.engine import DatabaseSession as Transaction
from letterhead.core.accounts.accounts import Caller, Scope, Session
from letterhead.core.accounts.members import SCOPES, MemberRole
from letterhead.core.accounts.setup_links import SetupLink
from letterhead.core.domain.domain import EventKind
from letterhead.core.domain.statistics import StateChange
from letterhead.core.public.representation import Status
from letterhead.errors import Fault, Kind
from letterhead.ports.store.accounts import AuditRow
from letterhead.ports.store.monitoring import AccountDomain, AllDomainsQuery, DomainCondition

AT_RISK: Final = "TEMPORARY_FAILURE"


class SqlSessions:
    """The SQL implementation of `SessionStore` and of statistics; it stores only digests of tokens."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def add_setup_link(self, link: SetupLink, digest: bytes, most: int, audit: AuditRow) -> list[str]:
        """Add a link, and end those of its domain that are too many; `digest` is the keyed digest of its token."""

        async def work(session: Transaction) -> list[str]:
            await session.rows("lock_domain", id=link.domain_id)  # two at a time would not see each other's link
            ended = await session.rows(
                "end_unused_setup_links", domain_id=link.domain_id, at=rows.ms(link.created_at), kept=most - 1
            )
            await session.rows(
                "add_setup_link",
                id=link.id,
                domain_id=link.domain_id,
                account_id=link.account_id,
                digest=digest,
                created_at=rows.ms(link.created_at),
                ends_at=rows.ms(link.ends_at),
            )
            for each in ended:
                subject = f"{audit.subject.partition(' ')[0]} {each['id']}"
                await append_audit(session, replace(audit, action="setup-link.revoke", subject=subject))
            await append_audit(session, audit)
            return [each["id"] for each in ended]

        return await self._engine.transact(work)

    async def setup_links(self, domain_id: str, now: datetime) -> list[SetupLink]:
        """Return a domain's links that live, the oldest first."""
        found = await self._engine.read("setup_links", domain_id=domain_id, now=rows.ms(now))
        return [_link(row) for row in found]

    async def setup_link(self, digest: bytes) -> SetupLink | None:
        """Return a link by its token's digest, ended or not."""
        return next((_link(row) for row in await self._engine.read("setup_link", digest=digest)), None)

    async def end_setup_link(self, domain_id: str, link_id: str, at: datetime, audit: AuditRow) -> bool:
        """End a link at a time, unless it ended before; return false where the domain has no such link."""

        async def work(session: Transaction) -> bool:
            ended = await session.rows("end_setup_link", domain_id=domain_id, id=link_id, at=rows.ms(at))
            return bool(ended) and await append_audit(session, audit)

        return await self._engine.transact(work)

    async def note_page_open(self, domain_id: str, link_id: str, now: datetime, until: datetime) -> None:
        """Record that somebody has opened a link and has the domain's page open until a time."""

        async def work(session: Transaction) -> None:
            await session.rows("open_setup_link", id=link_id, at=rows.ms(now))
            await session.rows("set_watched_until", domain_id=domain_id, until=rows.ms(until))

        await self._engine.transact(work)

    async def add_session(self, session: Session, digest: bytes, audit: AuditRow) -> None:
        """Add a session under its token's digest, and delete those that have ended; a member's has their role's scope.

        Raise Fault `unauthorized` for a member who was removed meanwhile.
        """

        async def work(transaction: Transaction) -> None:
            await transaction.rows("delete_ended_sessions", before=rows.ms(session.created_at))
            scope = session.caller.scope if session.caller and session.mark else None
            if session.member_id is not None:
                at = rows.ms(session.created_at)
                found = await transaction.rows("note_member_signed_in", id=session.member_id, at=at)
                if not found:
                    detail = "You were removed from this account a moment ago."
                    raise Fault(Kind.UNAUTHORIZED, detail, "Ask an owner of the account to invite you again.")
                scope = SCOPES[MemberRole(found[0]["role"])]
            await transaction.rows(
                "add_session",
                digest=key_rows.stored_digest(session.caller, digest) if session.caller else digest,
                account_id=session.caller.account_id if session.caller else None,
                key_id=session.caller.key_id if session.caller and not session.mark else None,
                mark=session.mark,
                scope=None if scope is None else scope.value,
                member_id=session.member_id,
                person=session.person,
                created_at=rows.ms(session.created_at),
                ends_at=rows.ms(session.ends_at),
            )
            await append_audit(transaction, audit)

        await self._engine.transact(work)

    async def session(self, digest: bytes) -> Session | None:
        """Return a session by its token's digest, with its key's scope and its account's limits as they are now."""
        for row in await self._engine.read("session", digest=digest, restricted=key_rows.restricted_digest(digest)):
            return Session(
                caller=_caller(row),
                mark=row["mark"],
                member_id=row["member_id"],
                person=row["person"],
                created_at=rows.time(row["created_at"]),
                ends_at=rows.time(row["session_ends_at"]),
            )
        return None

    async def end_session(self, digest: bytes) -> None:
        """End one session."""
        await self._engine.write("end_session", digest=digest, restricted=key_rows.restricted_digest(digest))

    async def end_sessions(self, account_id: str | None) -> None:
        """End all sessions of an account; with None, all of the operator."""
        if account_id is None:
            await self._engine.write("end_operator_sessions")
        else:
            await self._engine.write("end_sessions", account_id=account_id)

    async def end_own_sessions(self, account_id: str, key_id: str | None, mark: bytes) -> None:
        """End all sessions of one key, or, where `key_id` is None, of the person whom `mark` identifies."""
        if key_id is None:
            await self._engine.write("end_persons_sessions", account_id=account_id, mark=mark)
        else:
            await self._engine.write("end_keys_sessions", account_id=account_id, key_id=key_id)

    async def count_statuses(self, account_id: str) -> Mapping[str, int]:
        """Count an account's domains by their status in the API."""
        return {
            row["status"]: row["number"] for row in await self._engine.read("count_statuses", account_id=account_id)
        }

    async def count_all_statuses(self) -> Mapping[str, int]:
        """Count the domains of all accounts by their status in the API; one that no domain has is 0."""
        counted = dict.fromkeys(get_args(Status), 0)
        for row in await self._engine.read("count_all_statuses"):
            counted[row["status"]] = row["number"]
        return counted

    async def state_changes(self, account_id: str, limit: int) -> Sequence[StateChange]:
        """Return the newest changes of state of an account's domains, deleted ones too, in the order of time."""
        found = await self._engine.read("state_changes", account_id=account_id, limit=limit)
        return [
            StateChange(domain_id=row["domain_id"], kind=EventKind(row["kind"]), at=rows.time(row["at"]))
            for row in reversed(found)
        ]

    async def all_domains(self, query: AllDomainsQuery) -> list[AccountDomain]:
        """Return domains of all accounts, by account and name."""
        (account, sender), status = query.after, query.status
        if query.condition is DomainCondition.AT_RISK:
            if status not in (None, AT_RISK):
                return []
            status = AT_RISK
        given: dict[str, SqlValue] = {
            "after_sender": sender,
            "status": status,
            "contains": query.contains or None,
            "limit": query.limit,
        }
        in_account = {"account_id": query.account_id, "after_account": account}
        if query.labels:
            label, *others = query.labels
            found = await self._engine.read(
                "labelled_domains_of_all",
                label=label,
                others=rows.json(others),
                before=rows.ms(query.failing_before) if query.condition is DomainCondition.FAILING else None,
                only_refused=int(query.condition is DomainCondition.REFUSED),
                **given,
                **in_account,
            )
        elif query.condition is DomainCondition.FAILING:
            before = rows.ms(query.failing_before)
            found = await self._engine.read("failing_domains", before=before, **given, **in_account)
        elif query.condition is DomainCondition.REFUSED:
            found = await self._engine.read("refused_domains", **given, **in_account)
        elif query.account_id is not None:
            found = await self._engine.read("account_domains", account_id=query.account_id, **given)
        else:
            statement = "all_domains" if status in (None, "SUCCESS") else "unverified_domains"
            found = await self._engine.read(statement, after_account=account, **given)
        return [rows.account_domain(row) for row in found]

    async def count_conditions(self, failing_before: datetime) -> Mapping[DomainCondition, int]:
        """Count the domains of all accounts in each condition."""
        row = (await self._engine.read("count_conditions", before=rows.ms(failing_before)))[0]
        return {
            DomainCondition.AT_RISK: row["at_risk"],
            DomainCondition.FAILING: row["failing"],
            DomainCondition.REFUSED: row["refused"],
        }

    async def count_overdue(self, now: datetime) -> Sequence[int]:
        """Count due checks by how long they have been due: under 1 s, 10 s, 1 min, 5 min, and longer."""
        row = (await self._engine.read("count_overdue", now=rows.ms(now)))[0]
        names = ("within_second", "within_ten", "within_minute", "within_five", "due")
        counted = [int(row[name]) for name in names]
        return [more - less for less, more in zip([0, *counted], counted, strict=False)]


def _link(row: DatabaseRow) -> SetupLink:
    return SetupLink(
        id=row["id"],
        account_id=row["account_id"],
        domain_id=row["domain_id"],
        created_at=rows.time(row["created_at"]),
        ends_at=rows.time(row["ends_at"]),
        opened_at=rows.maybe_time(row["opened_at"]),
    )


def _caller(row: DatabaseRow) -> Caller | None:
    """Return the caller of a session: by API key, by OpenID Connect (a mark and no key), or None for the operator."""
    if row["account_id"] is None:
        return None
    if row["id"] is not None:
        return key_rows.caller(row)
    return Caller(
        account_id=row["account_id"],
        key_id=bytes(row["mark"]).decode(),
        scope=Scope(row["own_scope"] or Scope.READ),  # an older version, which wrote none, let everybody do all
        limits=rows.limits(row),
    )
