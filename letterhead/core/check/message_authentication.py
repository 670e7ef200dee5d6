"""The authentication of one message as a receiver does it: DKIM, SPF, alignment and DMARC (RFC 9989).

The order of the calls: `first_questions` until it returns none, `verify_signatures`, `later_questions`, `judge`. What
DNS did not answer is never taken for a failure.
"""

from typing import Final

from msgspec.structs import replace

from letterhead.core.check.auth_report import AuthInput, AuthReport, DkimResult, SpfResult
from letterhead.core.check.dmarc_verdict import judge_dmarc
from letterhead.core.dkim import verify as dkim_verify
from letterhead.core.dkim.verify import SignatureVerification, VerifyContext
from letterhead.core.dkim.verify_repaired import verify_repaired
from letterhead.core.dmarc import tree_walk
from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.lookup import txt_question
from letterhead.core.message.auth_result import AuthResult, ResultCode
from letterhead.core.message.envelope import Provenance, organisations_passed
from letterhead.core.message.message import a_label, domain_of
from letterhead.core.spf import check_host as spf_check
from letterhead.core.spf.check_host import SpfCheck
from letterhead.core.spf.macros import new_client

MOST_ADDRESS: Final = 320  # RFC 5321 4.5.3.1: 64 octets, @, 255 octets
MOST_REPAIRED: Final = 2  # signatures that are tried over what the message may have been before it was copied
# The results of SPF that another address might change.
BY_ADDRESS: Final = (ResultCode.FAIL, ResultCode.SOFTFAIL, ResultCode.NEUTRAL)

# --- what is to be asked ---------------------------------------------------------------------------------------


def first_questions(given: AuthInput, seen: Seen) -> tuple[Question, ...]:
    """Return the questions for the keys, for the policy of the From domain, and for SPF."""
    context = _verify_context(given)
    wanted = [question for each in given.signatures for question in dkim_verify.questions(each, context)]
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
    """Verify each signature; where one fails that its key made, over the message without the damage of copies too."""
    context, verified, repaired = _verify_context(given), list[SignatureVerification](), 0
    for signature in given.signatures:
        found = dkim_verify.verify(given.message, signature, seen, context)
        if found.judgement.result is ResultCode.FAIL and not found.judgement.code and repaired < MOST_REPAIRED:
            repaired += 1
            found = verify_repaired(given.message, signature, seen, context) or found
        verified.append(found)
    return tuple(verified)


def _verify_context(given: AuthInput) -> VerifyContext:
    return VerifyContext(now=given.now, organisation=given.organisation, known_keys=given.known_keys)


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
        is_guess = given.envelope.doubt is not None and check.judgement.result in BY_ADDRESS
        spf = SpfResult(
            judgement=_doubtful_spf(given, check.judgement) if is_guess else _to_whom(given, check),
            identity=identity,
            domain=check.domain,
            lookups=check.lookups,
            aligned=aligned,
            is_guess=is_guess,
        )
    return AuthReport(given=given, dkim=dkim, spf=spf, dmarc=judge_dmarc(given, policy, dkim, spf, seen))


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


def _doubtful_spf(given: AuthInput, judged: AuthResult) -> AuthResult:
    """Return the result where the address may be the receiver's own: to advise its authorisation would be wrong."""
    envelope = given.envelope
    return AuthResult(
        result=ResultCode.NONE,
        why=f"SPF is not sure: for {envelope.client_ip} it is {judged.result}, but {envelope.doubt}.",
        fix="Give clientIp: the address of the server that handed the message to the receiver.",
    )


def _to_whom(given: AuthInput, check: SpfCheck) -> AuthResult:
    """Return the result of SPF with a fix for whoever can do it, and for what happened on the way."""
    judged, envelope = check.judgement, given.envelope
    if judged.result is ResultCode.PASS or judged.fix is None or envelope.client_source is Provenance.GIVEN:
        return judged
    if given.organisation(check.domain) != given.organisation(given.sender):
        return replace(judged, fix=f"{check.domain} is not {given.sender}'s, so tell whoever runs it: {judged.fix}")
    passed = organisations_passed(given.message, given.organisation)
    if judged.result in BY_ADDRESS and len(passed) > 1:
        fix = (
            f"If {passed[0]} forwarded the message, leave SPF as it is: SPF fails where somebody forwards, and DKIM "
            f"then counts. If it sends for {check.domain}, let the SPF record name it by the include: it tells."
        )
        return replace(judged, fix=fix)
    return judged


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
