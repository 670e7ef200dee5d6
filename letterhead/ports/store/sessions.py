"""Sessions of people who signed in, and set-up links."""

from datetime import datetime
from typing import Protocol

from letterhead.core.accounts.accounts import Session
from letterhead.core.accounts.setup_links import SetupLink
from letterhead.ports.store.accounts import AuditRow


class SessionStore(Protocol):
    """Sessions of people who signed in, and set-up links."""

    async def add_setup_link(self, link: SetupLink, digest: bytes, most: int, audit: AuditRow) -> list[str]:
        """Add a link; `digest` is the keyed digest of its token.

        End links of the domain so that at most `most` live, those first that were not opened or made for longest;
        return their ids.
        """
        ...

    async def setup_links(self, domain_id: str, now: datetime) -> list[SetupLink]:
        """Return a domain's links that live, the oldest first."""
        ...

    async def setup_link(self, digest: bytes) -> SetupLink | None:
        """Return a link by its token's digest, ended or not."""
        ...

    async def end_setup_link(self, domain_id: str, link_id: str, at: datetime, audit: AuditRow) -> bool:
        """End a link at a time, unless it ended before; return false where the domain has no such link."""
        ...

    async def note_page_open(self, domain_id: str, link_id: str, now: datetime, until: datetime) -> None:
        """Record that somebody has opened a link and has the domain's page open until a time."""
        ...

    async def add_session(self, session: Session, digest: bytes, audit: AuditRow) -> None:
        """Add a session under its token's digest, and delete those that have ended; a member's has their role's scope.

        Raise Fault `unauthorized` for a member who was removed meanwhile.
        """
        ...

    async def session(self, digest: bytes) -> Session | None:
        """Return a session by its token's digest, with its key's scope and its account's limits as they are now."""
        ...

    async def end_session(self, digest: bytes) -> None:
        """End one session."""
        ...

    async def end_sessions(self, account_id: str | None) -> None:
        """End all sessions of an account; with None, all of the operator."""
        ...

    async def end_own_sessions(self, account_id: str, key_id: str | None, mark: bytes) -> None:
        """End all sessions of one key, or, where `key_id` is None, of the person whom `mark` identifies."""
        ...
