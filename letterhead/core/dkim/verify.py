"""The verification of one DKIM signature (RFC 6376 6.1), with the key as it was seen in DNS.

The results are those of RFC 8601 2.7.1. Ciphers and hashes are those of `cryptography` and `hashlib`, none is our own.
"""

import hashlib
from datetime import datetime
from functools import partial
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec.structs import replace

from letterhead.core.dkim.changes import explain_failure
from letterhead.core.dkim.key_record import (
    ALGORITHMS,
    ED25519_OCTETS,
    LEAST_BITS,
    WEAK_BITS,
    KeyRecord,
    bare_rsa_bits,
    key_octets,
    parse_key_record,
    rsa_bits,
)
from letterhead.core.dkim.signature import Signature, canonical_body, head_octets
from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.lookup import NoRecords, seen_records, txt_question
from letterhead.core.dns.records import Rdata, Txt
from letterhead.core.message.auth_result import AuthResult, ResultCode
from letterhead.core.message.envelope import Organisation, last_two_labels
from letterhead.core.message.message import Message, is_smtputf8

MOST_BITS: Final = 8192  # RFC 6376 3.3.3 wants 2048; far longer keys only cost time
MOST_KEYS: Final = 4  # records at one name that are tried
KINDS: Final = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}  # RFC 8301 3.1, RFC 8463 3
PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class SignatureVerification(msgspec.Struct, frozen=True, kw_only=True):
    """The result of verifying one signature; `bits` is the size of the key that was used."""

    signature: Signature
    judgement: AuthResult
    bits: int | None = None


class VerifyContext(msgspec.Struct, frozen=True, kw_only=True):
    """What verifying needs besides message, signature and DNS.

    `known_keys` are the names at which the signing domain is known to have keys.
    """

    now: datetime
    organisation: Organisation = last_two_labels
    known_keys: tuple[str, ...] = ()


def questions(signature: Signature, context: VerifyContext) -> tuple[Question, ...]:
    """Ask for the key of a signature; nothing where the signature is refused without it."""
    refused = _refusal(signature, None)
    if signature.trouble or (refused is not None and refused.result is not ResultCode.FAIL):
        return ()
    return tuple(map(txt_question, (signature.host, *_other_keys(signature, context))))


def _other_keys(signature: Signature, context: VerifyContext) -> tuple[str, ...]:
    """Return where else the signing domain has keys, where the signature names a selector that is not known."""
    hosts = tuple(host for host in context.known_keys if host.partition(".")[2] == f"_domainkey.{signature.domain}")
    return () if signature.host in hosts else hosts


def verify(message: Message, signature: Signature, seen: Seen, context: VerifyContext) -> SignatureVerification:
    """Verify one signature; a key that was not asked for gives a temperror."""
    if signature.trouble is not None:
        return SignatureVerification(signature=signature, judgement=_unreadable(signature, signature.trouble))
    refused = _refusal(signature, context.now)
    if refused is not None and refused.result is not ResultCode.FAIL:
        return SignatureVerification(signature=signature, judgement=refused)
    rdatas = seen_records(seen, txt_question(signature.host))
    texts = _texts(rdatas)
    if not texts:
        reason = NoRecords.VOID if isinstance(rdatas, tuple) else rdatas
        judgement = _no_key(signature, reason, _key_elsewhere(message, signature, seen, context))
        return SignatureVerification(signature=signature, judgement=judgement)
    # RFC 6376 3.6.2.2: with several records the result is undefined; each is tried, as the mildest receivers do
    tried = [_verify_with_key(message, signature, text, context) for text in texts]
    best = min(tried, key=lambda each: each.judgement.result is not ResultCode.PASS)
    if best.judgement.result is not ResultCode.PASS:
        return best
    if refused is not None:  # RFC 6376 3.5, x=: good, and too late
        return replace(best, judgement=refused)
    if len(texts) > 1:
        judgement = AuthResult(
            result=ResultCode.PASS,
            why=f"The signature is good by one of {len(texts)} TXT records at {signature.host}: others may fail it.",
            code="dkim.several-records",
            fix=f"Leave exactly one TXT record at {signature.host}.",
        )
        return replace(best, judgement=judgement)
    return best


def _texts(rdatas: tuple[Rdata, ...] | NoRecords) -> list[str]:
    if not isinstance(rdatas, tuple):
        return []
    return [rdata.text for rdata in rdatas if isinstance(rdata, Txt)][:MOST_KEYS]


def _unreadable(signature: Signature, trouble: str) -> AuthResult:
    if signature.encoded_word is not None:
        return AuthResult(
            result=ResultCode.NEUTRAL,
            why="The signature can't be read: a server on the way rewrote the DKIM-Signature field as encoded words "
            f"({signature.encoded_word[:40]}…), which may not stand there (RFC 2047 5).",
            fix="Find the server between signer and receiver that encodes header fields anew, and have it leave "
            "DKIM-Signature as it is; the signer is right.",
        )
    return AuthResult(
        result=ResultCode.NEUTRAL,
        why=f"The signature can't be read: {trouble}.",
        fix="Sign the message with a current signing program; docs/signers lists some.",
    )


def _refusal(signature: Signature, now: datetime | None) -> AuthResult | None:
    """Return why a signature of good syntax does not count, whatever its key; without `now`, expiry does not matter."""
    if "from" not in signature.signed:  # RFC 6376 6.1.1
        return AuthResult(
            result=ResultCode.PERMERROR,
            why="The signature does not cover the From field (h=), so it proves nothing about it.",
            fix="Have the signer sign From, To, Subject and Date.",
        )
    if signature.identity != signature.domain and not signature.identity.endswith(f".{signature.domain}"):
        return AuthResult(
            result=ResultCode.PERMERROR,
            why="The identity that signs (i=) does not lie in the signing domain (d=).",
            fix="Leave i= away, or set it to an address below d=.",
        )
    if signature.algorithm not in KINDS:
        old = signature.algorithm == "rsa-sha1"  # RFC 8301 3.1
        return AuthResult(
            result=ResultCode.POLICY if old else ResultCode.NEUTRAL,
            why=f"The signature is made by {signature.algorithm!r}, which receivers do not take.",
            fix="Set the signer to rsa-sha256.",
        )
    if signature.expires is not None and signature.made is not None and signature.expires <= signature.made:
        return AuthResult(
            result=ResultCode.FAIL,
            why=f"The signature expires before it was made: x={signature.expires} is not after t={signature.made}, as "
            "RFC 6376 3.5 wants it.",
            fix="Set the signer's lifetime of signatures to a week or more, or have it leave x= away.",
        )
    if now is not None and signature.expires is not None and signature.expires <= now.timestamp():
        return AuthResult(
            result=ResultCode.FAIL,
            why=f"The signature has expired: x= is {signature.expires}, seconds since 1970.",
            fix="Sign without x=, or with a week or more to live; a queue may hold a message for days.",
        )
    return None


def _no_key(signature: Signature, reason: NoRecords, elsewhere: str) -> AuthResult:
    if reason is NoRecords.UNKNOWN:
        return AuthResult(
            result=ResultCode.TEMPERROR,
            why=f"DNS did not answer for the key at {signature.host}; receivers try again later.",
            fix=f"Try again in some minutes; if it stays so, look at the nameservers of {signature.domain}.",
        )
    fix = f"Publish the key's TXT record at {signature.host}, or set the signer to the selector that is published."
    return AuthResult(
        result=ResultCode.PERMERROR,
        why=f"There is no key at {signature.host}, which the signature names (s= and d=).",
        code="dkim.missing",
        fix=elsewhere or fix,
    )


def _key_elsewhere(message: Message, signature: Signature, seen: Seen, context: VerifyContext) -> str:
    """Return the fix where the domain has a key under another selector that is known; empty where it has none."""
    for host in _other_keys(signature, context):
        selector = host.partition("._domainkey.")[0]
        texts = _texts(seen_records(seen, txt_question(host)))
        tried = [_verify_with_key(message, signature, text, context) for text in texts]
        if any(each.judgement.result is ResultCode.PASS for each in tried):
            return f"Set the signer to the selector {selector}: the key that signed is published at {host}."
        if tried:
            return (
                f"Set the signer to the selector {selector} and to its key: one is published at {host}, which this "
                f"domain's page knows. Or publish the key that signed at {signature.host}."
            )
    return ""


# --- with one key record ---------------------------------------------------------------------------------------


def _verify_with_key(
    message: Message, signature: Signature, text: str, context: VerifyContext
) -> SignatureVerification:
    record = parse_key_record(text)
    octets = key_octets(record) if record else None
    bits = rsa_bits(octets or b"") if signature.algorithm == "rsa-sha256" else len(octets or b"") * 8
    problem = _key_problem(signature, record, octets, bits)
    if problem is not None or record is None or octets is None:
        code, why = problem or ("dkim.syntax", "can't be read")
        # RFC 8301 3.2: a weak key must not be accepted, and is well formed
        result = ResultCode.POLICY if code == "dkim.weak-key" else ResultCode.PERMERROR
        return SignatureVerification(signature=signature, judgement=_unusable(signature, code, why, result))
    key: object
    try:
        if signature.algorithm == "ed25519-sha256":
            key = ed25519.Ed25519PublicKey.from_public_bytes(octets)
        else:
            key = load_der_public_key(octets)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, PublicKey):
        judgement = _unusable(signature, "dkim.bad-key", "holds something that is no public key")
        return SignatureVerification(signature=signature, judgement=judgement)
    judgement = _failure(key, message, signature, context) or _pass(message, signature, record, bits or 0)
    return SignatureVerification(signature=signature, judgement=judgement, bits=bits)


def _failure(key: PublicKey, message: Message, signature: Signature, context: VerifyContext) -> AuthResult | None:
    """Return why a signature fails with a key; None where it is good.

    A changed header and another key can be told apart for RSA: only the right key opens a signature.
    """
    if not _may_have_signed(key, signature):
        return AuthResult(
            result=ResultCode.FAIL,
            why=f"The key at {signature.host} is not the one that signed this message.",
            code="dkim.wrong-key",
            fix=f"Publish the key that the signer holds at {signature.host}, or give the signer the published one.",
        )
    body = canonical_body(message, signature)
    if signature.length is not None and signature.length > len(body):  # RFC 6376 3.5
        return AuthResult(
            result=ResultCode.FAIL,
            why=f"The signature covers {signature.length} octets of the body (l=), which has only {len(body)}.",
            fix="Find what shortens the body after it is signed; and set the signer not to write l=.",
        )
    body_is_good = hashlib.sha256(body[: signature.length]).digest() == signature.body_hash
    is_signed = partial(_is_signed, key, signature)
    if body_is_good and is_signed(head_octets(message, signature)):
        return None
    return explain_failure(
        message, signature, is_signed=is_signed, body_is_good=body_is_good, organisation=context.organisation
    )


def _key_problem(
    signature: Signature, record: KeyRecord | None, octets: bytes | None, bits: int | None
) -> tuple[str, str] | None:
    """Return why a key can't be used for this signature (RFC 6376 3.6.1 and 6.1.2), as code and clause."""
    # Long because it is a table, one line per fault.
    if record is None:
        return "dkim.syntax", "is no list of parts such as p=… with a ; between them"
    kind = record.get("k", "rsa")
    if record.tag("p") is None:
        return "dkim.no-key", "holds no key (p=)"
    if record.first_duplicate:
        return "dkim.duplicate-tag", "has a part twice"
    if record.has_late_version:
        return "dkim.version-not-first", "does not begin with its version"
    if record.has_other_version:
        return "dkim.bad-version", "has another version than v=DKIM1"
    if not record.get("p"):
        return "dkim.revoked", "is revoked: its p= is empty"
    if kind not in ALGORITHMS:
        return "dkim.unknown-algorithm", f"is of the kind {kind[:40]!r}, which nobody knows"
    if kind != KINDS[signature.algorithm]:
        return "dkim.algorithm-mismatch", f"is of the kind {kind}, and the signature is made by {signature.algorithm}"
    if not record.is_for_mail:
        return "dkim.service-excluded", "is not for e-mail (s=)"
    if not record.allows_sha256:
        return "dkim.hash-excluded", "forbids sha256 (h=)"
    if octets is None:
        return "dkim.bad-base64", "can't be decoded"
    if kind == "rsa" and bits is None and bare_rsa_bits(octets):
        return "dkim.bare-rsa-key", "is a bare RSA key (PKCS #1), a form that most receivers don't read"
    if bits is None or bits > MOST_BITS or (kind == "ed25519" and len(octets) != ED25519_OCTETS):
        return "dkim.bad-key", "holds something that is no public key"
    if kind == "rsa" and bits < LEAST_BITS:
        return "dkim.weak-key", f"has {bits} bits: receivers must not take less than {LEAST_BITS}"
    if "s" in record.items("t", "") and signature.identity != signature.domain:
        return "dkim.strict-identity", "forbids identities below the signing domain (t=s), and i= is one"
    return None


def _unusable(signature: Signature, code: str, why: str, result: ResultCode = ResultCode.PERMERROR) -> AuthResult:
    return AuthResult(
        result=result,
        why=f"The key at {signature.host} {why}.",
        code=code,
        fix=f"Put the key that signs at {signature.host}, as the domain's page or your signer tells it.",
    )


# --- the cipher ------------------------------------------------------------------------------------------------


def _is_signed(key: PublicKey, signature: Signature, head: bytes) -> bool:
    """Return whether a key made the signature over these octets."""
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature.octets, head, padding.PKCS1v15(), SHA256())
        else:
            key.verify(signature.octets, hashlib.sha256(head).digest())  # RFC 8463 3: the hash is what is signed
    except (InvalidSignature, ValueError):
        return False
    return True


def _may_have_signed(key: PublicKey, signature: Signature) -> bool:
    """Return false where it is certain that another key made the signature."""
    if not isinstance(key, rsa.RSAPublicKey):
        return True
    try:
        key.recover_data_from_signature(signature.octets, padding.PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return False
    return True


def _pass(message: Message, signature: Signature, record: KeyRecord, bits: int) -> AuthResult:
    """Return the result of a good signature, with the first thing that should be corrected all the same."""
    if signature.length is not None:
        return AuthResult(
            result=ResultCode.PASS,
            why=f"The signature is good, but covers only {signature.length} octets of the body (l=): "
            "whatever stands behind them can be anybody's.",
            fix="Set the signer not to write l=.",
        )
    if signature.is_u_label and not is_smtputf8(message):
        return AuthResult(
            result=ResultCode.PASS,
            why="The signature is good, but its d= or s= is written in UTF-8, which only a message sent with SMTPUTF8 "
            "may have (RFC 8616 4): many receivers fail it.",
            fix=f"Set the signer to d={signature.domain} and s={signature.selector}.",
        )
    if "y" in record.items("t", ""):
        return AuthResult(
            result=ResultCode.PASS,
            why="The signature is good, but its key says that it is only a test (t=y).",
            code="dkim.testing",
            fix=f"Remove t=y from the record at {signature.host}.",
        )
    if signature.algorithm == "rsa-sha256" and bits < WEAK_BITS:
        return AuthResult(
            result=ResultCode.PASS,
            why=f"The signature is good, but its key has only {bits} bits.",
            code="dkim.weak-key",
            fix=f"Sign with a key of {WEAK_BITS} bits under a new selector.",
        )
    return AuthResult(
        result=ResultCode.PASS, why="The signature is good: nothing that it covers was changed on the way."
    )
