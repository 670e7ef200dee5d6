"""The verdict of DMARC on one message (RFC 9989), why, and what to do: chosen by the signatures that are there."""

from typing import Final

from letterhead.core.check.auth_report import AuthInput, DkimResult, DmarcResult, SpfResult
from letterhead.core.dkim.changes import mailing_list
from letterhead.core.dkim.verify import SignatureVerification
from letterhead.core.dmarc import tree_walk
from letterhead.core.dmarc.record import parse_dmarc_record
from letterhead.core.dmarc.rfc7489 import Identifier, difference
from letterhead.core.dmarc.tree_walk import DiscoveredPolicy
from letterhead.core.dns.answers import Seen
from letterhead.core.message.auth_result import AuthResult, ResultCode, to_sentence

OUTCOMES: Final = {"none": "delivered", "quarantine": "quarantined", "reject": "rejected"}


def judge_dmarc(
    given: AuthInput, policy: DiscoveredPolicy | None, dkim: tuple[DkimResult, ...], spf: SpfResult, seen: Seen
) -> DmarcResult:
    """Judge a message by DMARC, with the results of DKIM and SPF."""
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
    parts = [(each.verified.judgement, each.aligned) for each in dkim] + [(spf.judgement, spf.aligned)]
    passed = any(judgement.result is ResultCode.PASS and aligned for judgement, aligned in parts)
    older = difference(author, policy, passed, _identifiers(dkim, spf), given.organisation, seen)
    if policy is None:
        return DmarcResult(judgement=_no_policy(author, seen), outcome="delivered", older=older)
    if passed:
        judgement = _passed(given, author, dkim, spf)
        return DmarcResult(judgement=judgement, outcome="delivered", policy=policy, older=older)
    may_pass = (ResultCode.PASS, ResultCode.TEMPERROR)
    if any(judgement.result in may_pass and aligned is not False for judgement, aligned in parts):
        undecided = _undecided("DNS did not tell enough of what would have to pass")
        return DmarcResult(judgement=undecided, outcome="deferred", policy=policy)
    judgement = _failing(given, author, policy, dkim, spf)
    return DmarcResult(judgement=judgement, outcome=OUTCOMES[policy.applied], policy=policy, older=older)


def _identifiers(dkim: tuple[DkimResult, ...], spf: SpfResult) -> list[Identifier]:
    """Return what passed, aligned or not."""
    passed = [
        Identifier(domain=each.verified.signature.domain, tag="adkim")
        for each in dkim
        if each.verified.judgement.result is ResultCode.PASS
    ]
    if spf.domain and spf.judgement.result is ResultCode.PASS:
        passed.append(Identifier(domain=spf.domain, tag="aspf"))
    return passed


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


def _passed(given: AuthInput, author: str, dkim: tuple[DkimResult, ...], spf: SpfResult) -> AuthResult:
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
    if signed:
        return AuthResult(result=ResultCode.PASS, why=why)
    broken, stray = _broken(dkim), _stray(dkim)
    if broken:
        fix = _mend(given, broken[0])
    elif stray:
        fix = f"Have the signer sign with d={author} too, not with d={stray[0]} alone."
    else:
        fix = "Sign the message too."
    return AuthResult(result=ResultCode.PASS, why=why, fix=f"{fix} SPF alone breaks where somebody forwards it.")


def _broken(dkim: tuple[DkimResult, ...]) -> list[SignatureVerification]:
    """Return the aligned signatures that do not pass."""
    return [each.verified for each in dkim if each.aligned and each.verified.judgement.result is not ResultCode.PASS]


def _stray(dkim: tuple[DkimResult, ...]) -> list[str]:
    """Return the domains that signed well and are not aligned."""
    passing = [each for each in dkim if each.verified.judgement.result is ResultCode.PASS and not each.aligned]
    return list(dict.fromkeys(each.verified.signature.domain for each in passing))


def _mend(given: AuthInput, broken: SignatureVerification) -> str:
    """Return what to do about an aligned signature that is there and does not pass."""
    name, failed = mailing_list(given.message), broken.judgement.result is ResultCode.FAIL
    if name is not None and failed and broken.judgement.code is None:
        return (
            f"Have the mailing list {name} put its own address into From, or leave the message as it was signed; at "
            "your signer there is nothing to mend."
        )
    return f"Mend the signature of {broken.signature.domain} that is there; what is wrong with it is said at DKIM."


def _failing(
    given: AuthInput, author: str, policy: DiscoveredPolicy, dkim: tuple[DkimResult, ...], spf: SpfResult
) -> AuthResult:
    broken, stray = _broken(dkim), _stray(dkim)
    code = None
    if broken:
        why = f"the signature of {broken[0].signature.domain} is broken, and SPF does not prove that it is {author}'s"
        fix = _mend(given, broken[0])
    elif stray:
        why = f"the message is signed well, but by {', '.join(stray)} and not by {author}"
        fix = f"Have the signer sign with d={author}, or with a name that DMARC counts as the same organisation."
        strict = policy.strict_dkim and any(_same_tree(each, author) for each in stray)
        code, fix = ("dmarc.strict-dkim", f"{fix} adkim=s asks for {author} itself.") if strict else (None, fix)
    elif spf.judgement.result is ResultCode.PASS:
        why = f"nothing but SPF passes, and that for {spf.domain}, which is not aligned with {author}"
        fix = f"Sign the message with d={author}, or send it with a MAIL FROM domain below it."
        code = "dmarc.strict-spf" if policy.strict_spf and _same_tree(spf.domain or "", author) else None
    elif dkim:
        others = list(dict.fromkeys(each.verified.signature.domain for each in dkim if each.verified.signature.domain))
        why = "neither a signature nor SPF passes"
        fix = f"Have the signer sign with d={author}"
        fix += f"; the signature that is there is of {others[0]}." if others else "; the one there can't be read."
    else:
        why = "there is no signature, and SPF does not pass"
        fix = f"Have the server that sends it sign with d={author}; what is wrong with SPF is said there."
    unsure = "; SPF could not be judged here" if spf.domain is None or spf.is_guess else ""
    asked = f"{policy.name} asks for {policy.applied}"
    return AuthResult(result=ResultCode.FAIL, why=to_sentence(f"{why}{unsure}; {asked}"), code=code, fix=fix)


def _same_tree(one: str, other: str) -> bool:
    return f".{one}".endswith(f".{other}") or f".{other}".endswith(f".{one}")
