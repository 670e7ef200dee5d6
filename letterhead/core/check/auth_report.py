"""The input and the results of authenticating one message."""

from datetime import datetime
from functools import cached_property
from typing import Final

import msgspec

from letterhead.core.dkim import signature as dkim_signature
from letterhead.core.dkim.verify import SignatureVerification
from letterhead.core.dmarc.tree_walk import DiscoveredPolicy
from letterhead.core.message.auth_result import AuthResult, ResultCode
from letterhead.core.message.envelope import Organisation, ReceivedEnvelope, last_two_labels
from letterhead.core.message.message import Message, domain_of, is_smtputf8, parse_addresses

MOST_SIGNATURES: Final = 8  # RFC 6376 6.1: a verifier may stop at its own bound


class AuthInput(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The input: a message that should be `sender`'s, its envelope, and the time.

    `organisation` knows the public suffix list; `known_keys` are the names at which `sender` publishes its keys.
    """

    sender: str
    message: Message
    envelope: ReceivedEnvelope
    now: datetime
    organisation: Organisation = last_two_labels
    known_keys: tuple[str, ...] = ()

    @cached_property
    def signatures(self) -> tuple[dkim_signature.Signature, ...]:
        """The signatures that are verified, the topmost first."""
        fields = self.message.fields_named("dkim-signature")[:MOST_SIGNATURES]
        return tuple(dkim_signature.parse_signature(field) for field in fields)

    @property
    def skipped(self) -> int:
        """The number of signatures that are not verified."""
        return max(0, len(self.message.fields_named("dkim-signature")) - MOST_SIGNATURES)

    @cached_property
    def authors(self) -> tuple[str | None, ...]:
        """The domains in the From field or fields, each once; None for one that is no name of DNS."""
        listed = (
            domain_of(each) for field in self.message.fields_named("from") for each in parse_addresses(field.text)
        )
        return tuple(dict.fromkeys(listed))

    @property
    def from_domain(self) -> str | None:
        """The domain whose policy applies; None where the From field names none, or several."""
        one = len(self.message.fields_named("from")) == 1 and len(self.authors) == 1
        return self.authors[0] if one else None


class DkimResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one signature; `aligned` is None where DNS did not answer for it."""

    verified: SignatureVerification
    aligned: bool | None


class SpfResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of SPF; `identity` is "mailfrom", or "helo" for a bounce (RFC 7208 2.4)."""

    judgement: AuthResult
    identity: str
    domain: str | None = None
    lookups: int = 0
    aligned: bool | None = False
    is_guess: bool = False  # the client address is not sure


class DmarcResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of DMARC, the policy behind it, and what becomes of the message: delivered, quarantined, …"""

    judgement: AuthResult
    outcome: str
    policy: DiscoveredPolicy | None = None
    older: str | None = None  # how receivers judge that go by RFC 7489


class AuthReport(msgspec.Struct, frozen=True, kw_only=True):
    """The results of one message."""

    given: AuthInput
    dkim: tuple[DkimResult, ...]
    spf: SpfResult
    dmarc: DmarcResult

    @property
    def notes(self) -> tuple[str, ...]:
        """What else a reader must know, in sentences."""
        given, notes = self.given, list[str]()
        author, envelope = given.from_domain, given.envelope
        if author is not None and author != given.sender:
            notes.append(f"The message is from {author}, so this is the verdict on {author} and not on {given.sender}.")
        notes += given.message.undone
        if given.message.trouble is not None:
            notes.append(f"The message can't be read as a whole: {given.message.trouble}.")
        if given.skipped:
            notes.append(f"{given.skipped} more signatures were not looked at: receivers look at a few.")
        if envelope.doubt is not None:
            doubt = f"That {envelope.client_ip} handed the message over is not sure: {envelope.doubt}."
            notes.append(f"{doubt} Give clientIp to have SPF judged for certain.")
        notes += filter(None, (raw_octets_note(given.message), self.dmarc.older))
        if b"\xef\xbf\xbd" in given.message.body and any(
            each.verified.judgement.result is ResultCode.FAIL for each in self.dkim
        ):
            notes.append(
                "The copy holds U+FFFD, which stands where octets were that are no UTF-8: give it with encoding base64."
            )
        return tuple(notes)


def raw_octets_note(message: Message) -> str | None:
    """Return a sentence on raw 8-bit octets in the header, which only SMTPUTF8 allows (RFC 6532 3, RFC 6531 3.4)."""
    raw = list(dict.fromkeys(field.name for field in message.fields if not field.raw.isascii()))
    if not raw or is_smtputf8(message):
        return None
    names = ", ".join(name.title() for name in raw[:5])
    return (
        f"The header holds raw 8-bit octets ({names}), which only a message sent with SMTPUTF8 may: servers on the way "
        "may encode or refuse them, which breaks signatures. Write them as encoded words (RFC 2047)."
    )
