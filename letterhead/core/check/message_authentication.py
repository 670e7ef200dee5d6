"""The authentication of one message as a receiver does it: DKIM, SPF, alignment and DMARC (RFC 9989).

The order of the calls: `first_questions` until it returns none, `verify_signatures`, `later_questions`, `judge`. What
DNS did not answer is never taken for a failure.
"""

from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Final

import msgspec

from letterhead.core.dkim import signature as dkim_signature
from letterhead.core.dkim import verify as dkim_verify
from letterhead.core.dkim.verify import SignatureVerification
from letterhead.core.dmarc import tree_walk
from letterhead.core.dmarc.record import parse_dmarc_record
from letterhead.core.dmarc.tree_walk import DiscoveredPolicy
from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.lookup import txt_question
from letterhead.core.message.auth_result import AuthResult, ResultCode, to_sentence
from letterhead.core.message.message import (
    Message,
    a_label,
    domain_of,
    last_public_hop,
    parse_addresses,
    received_hops,
    return_path,
)
from letterhead.core.names.ip_addresses import is_not_public, read_address
from letterhead.core.spf import check_host as spf_check
from letterhead.core.spf.check_host import SpfCheck
from letterhead.core.spf.macros import new_client

MOST_SIGNATURES: Final = 8  # RFC 6376 6.1: a verifier may stop at its own bound
MOST_ADDRESS: Final = 320  # RFC 5321 4.5.3.1: 64 octets, @, 255 octets


class Provenance(StrEnum):
    """The source of a part of the envelope."""

    GIVEN = "given"
    RETURN_PATH = "return-path"
    RECEIVED = "received"
    NOWHERE = "nowhere"


class ReceivedEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """How a message came: from which client, for which envelope sender (empty for a bounce), with which HELO."""

    client_ip: str | None = None
    client_source: Provenance = Provenance.NOWHERE
    mail_from: str | None = None
    mail_from_source: Provenance = Provenance.NOWHERE
    helo: str | None = None
    received: str | None = None
    unknown: str | None = None  # why no client address can be judged


class AuthInput(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """The input: a message that should be `sender`'s, its envelope, and the time."""

    sender: str
    message: Message
    envelope: ReceivedEnvelope
    now: datetime

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


class DmarcResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of DMARC, the policy behind it, and what becomes of the message: delivered, quarantined, …"""

    judgement: AuthResult
    outcome: str
    policy: DiscoveredPolicy | None = None


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
        author = given.from_domain
        if author is not None and author != given.sender:
            notes.append(f"The message is from {author}, so this is the verdict on {author} and not on {given.sender}.")
        if given.message.trouble is not None:
            notes.append(f"The message can't be read as a whole: {given.message.trouble}.")
        if given.skipped:
            notes.append(f"{given.skipped} more signatures were not looked at: receivers look at a few.")
        return tuple(notes)


# --- the envelope ----------------------------------------------------------------------------------------------


def envelope(message: Message, client_ip: str | None, mail_from: str | None, helo: str | None) -> ReceivedEnvelope:
    """Return the envelope: what was given, else what the message's last servers wrote into it."""
    hop = last_public_hop(message)
    sender, source = mail_from, Provenance.GIVEN
    if sender is None:
        sender = return_path(message)
        source = Provenance.NOWHERE if sender is None else Provenance.RETURN_PATH
    if client_ip is not None:
        address = read_address(client_ip)
        return ReceivedEnvelope(
            client_ip=str(address) if address else None,
            client_source=Provenance.GIVEN,
            mail_from=sender,
            mail_from_source=source,
            helo=helo or (hop.helo if hop and hop.address == client_ip else None),
            unknown=None if address else "the clientIp that was given is no address",
        )
    unknown = None
    if hop is None:
        unknown = "no Received field names the address that it came from"
        addresses_named = (read_address(each.address) for each in received_hops(message) if each.address)
        inner = next((address for address in addresses_named if address is not None), None)
        if inner is not None:
            unknown = f"its Received fields name no public address: {inner} is {is_not_public(inner)}"
    return ReceivedEnvelope(
        client_ip=hop.address if hop else None,
        client_source=Provenance.RECEIVED if hop else Provenance.NOWHERE,
        mail_from=sender,
        mail_from_source=source,
        helo=helo or (hop.helo if hop else None),
        received=hop.text if hop else None,
        unknown=unknown,
    )


# --- what is to be asked ---------------------------------------------------------------------------------------


def first_questions(given: AuthInput, seen: Seen) -> tuple[Question, ...]:
    """Return the questions for the keys, for the policy of the From domain, and for SPF."""
    wanted = [each for each in map(dkim_verify.question, given.signatures) if each is not None]
    author = given.from_domain
    if author is not None:
        # The answer for the domain's TXT tells whether it exists, which chooses between sp and np (RFC 9989 4.7).
        wanted += [*map(tree_walk.question, tree_walk.walk(author)), txt_question(author)]
    check = _spf(given, seen)[1]
    wanted += check.wanted if check else ()
    return _unseen(wanted, seen)


def later_questions(given: AuthInput, verified: tuple[SignatureVerification, ...], seen: Seen) -> tuple[Question, ...]:
    """Return the questions for the organisational domains of the names that signed or sent the message."""
    author, check = given.from_domain, _spf(given, seen)[1]
    domains = dict.fromkeys([*(each.signature.domain for each in verified), check.domain if check else ""])
    walked = [each for each in domains if author and each not in ("", author) and _have_same_tld(each, author)]
    return _unseen([tree_walk.question(name) for each in walked for name in tree_walk.walk(each)], seen)


def _unseen(wanted: list[Question], seen: Seen) -> tuple[Question, ...]:
    return tuple(each for each in dict.fromkeys(wanted) if each not in seen)


def _have_same_tld(one: str, other: str) -> bool:
    return one.rpartition(".")[2] == other.rpartition(".")[2]


# --- DKIM, SPF and alignment -----------------------------------------------------------------------------------


def verify_signatures(given: AuthInput, seen: Seen) -> tuple[SignatureVerification, ...]:
    """Verify each signature."""
    return tuple(dkim_verify.verify(given.message, each, seen, given.now) for each in given.signatures)


def judge(given: AuthInput, signatures: tuple[SignatureVerification, ...], seen: Seen) -> AuthReport:
    """Judge the whole message."""
    author = given.from_domain
    policy = tree_walk.policy_in_force(author, seen) if author else None
    strict_dkim, strict_spf = (policy.strict_dkim, policy.strict_spf) if policy else (False, False)
    dkim = tuple(
        DkimResult(verified=each, aligned=_aligned(each.signature.domain, author, strict_dkim, seen))
        for each in signatures
    )
    identity, check = _spf(given, seen)
    if check is None:
        spf = SpfResult(judgement=_no_spf(given), identity=identity)
    else:
        aligned = _aligned(check.domain, author, strict_spf, seen)
        judged = check.judgement
        spf = SpfResult(
            judgement=judged, identity=identity, domain=check.domain, lookups=check.lookups, aligned=aligned
        )
    return AuthReport(given=given, dkim=dkim, spf=spf, dmarc=_judge_dmarc(given, policy, dkim, spf, seen))


def _spf(given: AuthInput, seen: Seen) -> tuple[str, SpfCheck | None]:
    """Return the identity that SPF judges, and the result; None where the envelope does not have enough for it."""
    envelope = given.envelope
    if not envelope.mail_from:
        identity, domain, sender = "helo", a_label(envelope.helo or ""), f"postmaster@{envelope.helo}"
    else:
        identity, domain, sender = "mailfrom", domain_of(envelope.mail_from), envelope.mail_from
    if envelope.mail_from is None:
        identity, domain = "mailfrom", None
    if domain is None or envelope.client_ip is None:
        return identity, None
    client = new_client(envelope.client_ip, (envelope.helo or "unknown")[:253], sender[:MOST_ADDRESS])
    return identity, spf_check.check_host(client, domain, seen)


def _no_spf(given: AuthInput) -> AuthResult:
    """Return the result where SPF can't be judged."""
    envelope = given.envelope
    if envelope.unknown is not None:
        why, fix = envelope.unknown, "Give clientIp: the address of the server that handed the message over."
    elif envelope.mail_from is None:
        why = "the message has no Return-Path field, so its envelope sender is not known"
        fix = "Give mailFrom: the address of the SMTP command MAIL FROM."
    else:
        why = "neither the envelope sender nor the name that the client gave is one that DNS can hold"
        fix = "Give mailFrom, or helo for a bounce."
    return AuthResult(result=ResultCode.NONE, why=f"SPF can't be judged: {why}.", fix=fix)


def _aligned(domain: str, author: str | None, strict: bool, seen: Seen) -> bool | None:
    """Tell whether a domain is aligned with the From domain (RFC 9989 4.4); None where DNS did not answer for it."""
    if not author or not domain:
        return False
    if domain == author:
        return True
    if strict or not _have_same_tld(domain, author):
        return False
    names = (*tree_walk.walk(domain), *tree_walk.walk(author))
    if any(tree_walk.question(name) in seen and tree_walk.texts_at(name, seen) is None for name in names):
        return None
    return tree_walk.organisational_domain(domain, seen) == tree_walk.organisational_domain(author, seen)


# --- DMARC -----------------------------------------------------------------------------------------------------

OUTCOMES: Final = {"none": "delivered", "quarantine": "quarantined", "reject": "rejected"}


def _judge_dmarc(
    given: AuthInput, policy: DiscoveredPolicy | None, dkim: tuple[DkimResult, ...], spf: SpfResult, seen: Seen
) -> DmarcResult:
    author = given.from_domain
    if author is None:
        fields = len(given.message.fields_named("from"))
        if fields != 1:
            why = "The message has no From field" if not fields else f"The message has {fields} From fields"
        else:
            several = len(given.authors) > 1
            why = "The From field names several domains" if several else "The From field names no domain"
        why = f"{why}, so no policy can be found; many receivers reject it."
        fix = f"Write one From field with one address at {given.sender}."
        judgement = AuthResult(result=ResultCode.PERMERROR, why=why, fix=fix)
        return DmarcResult(judgement=judgement, outcome="rejected")
    unanswered = [name for name in tree_walk.walk(author) if tree_walk.texts_at(name, seen) is None]
    if unanswered and (policy is None or policy.is_inherited):  # the record that applies may be there
        return DmarcResult(
            judgement=_undecided(f"DNS did not answer for the DMARC policy of {author}"), outcome="deferred"
        )
    if policy is None:
        return DmarcResult(judgement=_no_policy(author, seen), outcome="delivered")
    parts = [(each.verified.judgement, each.aligned) for each in dkim] + [(spf.judgement, spf.aligned)]
    if any(judgement.result is ResultCode.PASS and aligned for judgement, aligned in parts):
        return DmarcResult(judgement=_passed(author, dkim, spf), outcome="delivered", policy=policy)
    may_pass = (ResultCode.PASS, ResultCode.TEMPERROR)
    if any(judgement.result in may_pass and aligned is not False for judgement, aligned in parts):
        undecided = _undecided("DNS did not tell enough of what would have to pass")
        return DmarcResult(judgement=undecided, outcome="deferred", policy=policy)
    return DmarcResult(judgement=_failing(author, policy, dkim, spf), outcome=OUTCOMES[policy.applied], policy=policy)


def _undecided(why: str) -> AuthResult:
    fix = "Try again in some minutes; receivers do so too."
    return AuthResult(result=ResultCode.TEMPERROR, why=f"{why}: receivers try again later.", fix=fix)


def _no_policy(author: str, seen: Seen) -> AuthResult:
    found = [text for text in tree_walk.texts_at(author, seen) or () if parse_dmarc_record(text).is_dmarc]
    host = f"_dmarc.{author}"
    if len(found) > 1:
        why, code = f"{host} has {len(found)} DMARC records, which count as none", "dmarc.several-records"
        fix = f"Leave exactly one DMARC record at {host}."
    elif found:
        why, code = f"The DMARC record at {host} can't be used: {found[0][:200]}", "dmarc.policy-missing"
        fix = f"Correct it, for example to v=DMARC1; p=none; rua=mailto:postmaster@{author}"
    else:
        why, code = f"{author} has no DMARC policy, nor has a name above it", "dmarc.missing"
        fix = f"Publish a TXT record at {host}, to begin with v=DMARC1; p=none; rua=mailto:postmaster@{author}"
    return AuthResult(result=ResultCode.NONE, why=f"{why}: anybody may send as {author}.", code=code, fix=fix)


def _passed(author: str, dkim: tuple[DkimResult, ...], spf: SpfResult) -> AuthResult:
    signed = [
        each.verified.signature for each in dkim if each.aligned and each.verified.judgement.result is ResultCode.PASS
    ]
    proofs = [f"the signature of {signed[0].domain}"] if signed else []
    if spf.aligned and spf.judgement.result is ResultCode.PASS:
        proofs.append(f"SPF for {spf.domain}")
    if len(proofs) > 1:
        why = to_sentence(f"{' and '.join(proofs)} prove that the message is {author}'s")
        return AuthResult(result=ResultCode.PASS, why=why)
    why = to_sentence(f"{proofs[0]} proves that the message is {author}'s")
    fix = None if signed else "Sign the message too: SPF alone breaks where somebody forwards it."
    return AuthResult(result=ResultCode.PASS, why=why, fix=fix)


def _failing(author: str, policy: DiscoveredPolicy, dkim: tuple[DkimResult, ...], spf: SpfResult) -> AuthResult:
    stray = [each.verified.signature.domain for each in dkim if each.verified.judgement.result is ResultCode.PASS]
    code = None
    if stray:
        why = f"the message is signed well, but by {', '.join(dict.fromkeys(stray))} and not by {author}"
        fix = f"Have the signer sign with d={author}, or with a name that DMARC counts as the same organisation."
        strict = policy.strict_dkim and any(_same_tree(each, author) for each in stray)
        code, fix = ("dmarc.strict-dkim", f"{fix} adkim=s asks for {author} itself.") if strict else (None, fix)
    elif spf.judgement.result is ResultCode.PASS:
        why = f"nothing but SPF passes, and that for {spf.domain}, which is not aligned with {author}"
        fix = f"Sign the message with d={author}, or send it with a MAIL FROM domain below it."
        code = "dmarc.strict-spf" if policy.strict_spf and _same_tree(spf.domain or "", author) else None
    else:
        why = "neither a signature nor SPF passes" if dkim else "there is no signature, and SPF does not pass"
        fix = f"Have the server that sends it sign with d={author}; what is wrong is said at each part."
    unsure = "; SPF could not be judged here" if spf.domain is None else ""
    asked = f"{policy.name} asks for {policy.applied}"
    return AuthResult(result=ResultCode.FAIL, why=to_sentence(f"{why}{unsure}; {asked}"), code=code, fix=fix)


def _same_tree(one: str, other: str) -> bool:
    return f".{one}".endswith(f".{other}") or f".{other}".endswith(f".{one}")
