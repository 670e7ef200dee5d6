"""The settings of mail servers: those that mail is sent by, and the one that proofs are read from."""

from urllib.parse import SplitResult, unquote

import msgspec

from letterhead.config.values import is_address, parse_url
from letterhead.core.names.host_names import HOST_NAME
from letterhead.core.secret import Secret

OWN_RELAY_USER = "letterhead"  # in the URL of this installation's own relay, without a password


class SmtpServer(msgspec.Struct, frozen=True, kw_only=True):
    """An SMTP server that mail is sent by; `implicit_tls` is TLS from the first octet (RFC 8314).

    A user without a password is that of this installation's own relay.
    """

    host: str
    port: int
    implicit_tls: bool
    user: str | None = None
    password: Secret | None = None

    @property
    def is_own_relay(self) -> bool:
        """Return whether it is this installation's own relay, where proofs sign in as the account they are for."""
        return self.user is not None and self.password is None


class ImapServer(msgspec.Struct, frozen=True, kw_only=True):
    """An IMAP server that a mailbox is read from, by TLS from the first octet."""

    host: str
    port: int
    user: str
    password: Secret


def read_smtp(text: str) -> SmtpServer:
    """Parse `smtp://user:password@host:587` or `smtps://user:password@host:465`; user and password %-escaped."""
    url = parse_url(text)
    if url.scheme not in ("smtp", "smtps"):
        raise ValueError("begins neither with smtp:// nor with smtps://")
    host = _mail_host(url)
    implicit = url.scheme == "smtps"
    return SmtpServer(
        host=host,
        port=url.port or (465 if implicit else 587),
        implicit_tls=implicit,
        user=None if url.username is None else unquote(url.username),
        password=None if url.password is None else Secret(unquote(url.password).encode()),
    )


def read_proof_smtp(text: str) -> SmtpServer:
    """Parse what `read_smtp` does, or `smtp://letterhead@host:8587` for this installation's own relay."""
    url = parse_url(text)
    if url.username == OWN_RELAY_USER and url.password is None:
        address = text.replace(f"{OWN_RELAY_USER}@", "", 1)
        return msgspec.structs.replace(read_smtp(address), user=OWN_RELAY_USER)
    return read_smtp(text)


def read_imap(text: str) -> ImapServer:
    """Parse `imaps://user:password@host:993`; user and password %-escaped."""
    url = parse_url(text)
    if url.scheme != "imaps":
        raise ValueError("does not begin with imaps://")
    host = _mail_host(url)
    if url.username is None or url.password is None:
        raise ValueError("has no user and password before the host")
    secret = Secret(unquote(url.password).encode())
    return ImapServer(host=host, port=url.port or 993, user=unquote(url.username), password=secret)


def _mail_host(url: SplitResult) -> str:
    if not url.hostname or not (HOST_NAME.fullmatch(url.hostname) or is_address(url.hostname)):
        raise ValueError("has a host that is neither a name nor an address")
    if url.path not in ("", "/") or url.query or url.fragment:
        raise ValueError("may hold only user, password, host and port; write / @ : in a password as %2F %40 %3A")
    if (url.username is None) != (url.password is None):
        raise ValueError("has a user without a password")
    return url.hostname
