"""The verification of one DKIM signature (RFC 6376 6.1), with the key as it was seen in DNS.

The results are those of RFC 8601 2.7.1. Ciphers and hashes are those of `cryptography` and `hashlib`, none is our own.
"""

import hashlib
from datetime import datetime
from typing import Final

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from letterhead.core.dkim.key_record import (
    ALGORITHMS,
    ED25519_OCTETS,
    LEAST_BITS,
    WEAK_BITS,
    KeyRecord,
    key_octets,
    parse_key_record,
    rsa_bits,
)
from letterhead.core.dkim.signature import Signature, body_octets, head_octets
from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.lookup import NoRecords, seen_records, txt_question
from letterhead.core.dns.records import Txt
from letterhead.core.message.auth_result import AuthResult, ResultCode
from letterhead.core.message.message import Message

MOST_BITS: Final = 8192  # RFC 6376 3.3.3 wants 2048; far longer keys only cost time
MOST_KEYS: Final = 4  # records at one name that are tried
KINDS: Final = {"rsa-sha256": "rsa", "ed25519-sha256": "ed25519"}  # RFC 8301 3.1, RFC 8463 3
PublicKey = rsa.RSAPublicKey | ed25519.Ed25519PublicKey


class SignatureVerification(msgspec.Struct, frozen=True, kw_only=True):
    """The result of verifying one signature; `bits` is the size of the key that was used."""

    signature: Signature
    judgement: AuthResult
    bits: int | None = None


def question(signature: Signature) -> Question | None:
    """Ask for the key of a signature; return None where the signature is refused without it."""
    return None if signature.trouble or _refusal(signature, None) else txt_question(signature.host)


def verify(message: Message, signature: Signature, seen: Seen, now: datetime) -> SignatureVerification:
    """Verify one signature; a key that was not asked for gives a temperror."""
    if signature.trouble is not None:
        why = f"The signature can't be read: {signature.trouble}."
        fix = "Sign the message with a current signing program; docs/signers lists some."
        judgement = AuthResult(result=ResultCode.NEUTRAL, why=why, fix=fix)
        return SignatureVerification(signature=signature, judgement=judgement)
    refused = _refusal(signature, now)
    if refused is not None and refused.result is not ResultCode.FAIL:
        return SignatureVerification(signature=signature, judgement=refused)
    rdatas = seen_records(seen, txt_question(signature.host))
    if not isinstance(rdatas, tuple):
        return SignatureVerification(signature=signature, judgement=_no_key(signature, rdatas))
    texts = [rdata.text for rdata in rdatas if isinstance(rdata, Txt)][:MOST_KEYS]
    # RFC 6376 3.6.2.2: with several records the result is undefined; each is tried, as the mildest receivers do
    tried = [_verify_with_key(message, signature, text) for text in texts]
    best = min(tried, key=lambda each: each.judgement.result is not ResultCode.PASS, default=None)
    if best is None:
        return SignatureVerification(signature=signature, judgement=_no_key(signature, NoRecords.VOID))
    if best.judgement.result is not ResultCode.PASS:
        return best
    if refused is not None:  # RFC 6376 3.5, x=: good, and too late
        return msgspec.structs.replace(best, judgement=refused)
    if len(texts) > 1:
        judgement = AuthResult(
            result=ResultCode.PASS,
            why=f"The signature is good by one of {len(texts)} TXT records at {signature.host}: others may fail it.",
            code="dkim.several-records",
            fix=f"Leave exactly one TXT record at {signature.host}.",
        )
        return msgspec.structs.replace(best, judgement=judgement)
    return best


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
    if now is not None and signature.expires is not None and signature.expires <= now.timestamp():
        return AuthResult(
            result=ResultCode.FAIL,
            why=f"The signature has expired: x= is {signature.expires}, seconds since 1970.",
            fix="Sign without x=, or with a week or more to live; a queue may hold a message for days.",
        )
    return None


def _no_key(signature: Signature, reason: NoRecords) -> AuthResult:
    if reason is NoRecords.UNKNOWN:
        return AuthResult(
            result=ResultCode.TEMPERROR,
            why=f"DNS did not answer for the key at {signature.host}; receivers try again later.",
            fix=f"Try again in some minutes; if it stays so, look at the nameservers of {signature.domain}.",
        )
    return AuthResult(
        result=ResultCode.PERMERROR,
        why=f"There is no key at {signature.host}, which the signature names (s= and d=).",
        code="dkim.missing",
        fix=f"Publish the key's TXT record at {signature.host}, or set the signer to the selector that is published.",
    )


# --- with one key record ---------------------------------------------------------------------------------------


def _verify_with_key(message: Message, signature: Signature, text: str) -> SignatureVerification:
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
    failure = _header_failure(key, signature, head_octets(message, signature))
    if failure is None and hashlib.sha256(body_octets(message, signature)).digest() != signature.body_hash:
        failure = AuthResult(
            result=ResultCode.FAIL,
            why="The body was changed on the way: its hash is not the one that was signed (bh=).",
            fix="Sign as the last step, after whatever adds footers, rewrites links or converts the encoding.",
        )
    judgement = failure or _pass(signature, record, bits or 0)
    return SignatureVerification(signature=signature, judgement=judgement, bits=bits)


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


def _header_failure(key: PublicKey, signature: Signature, head: bytes) -> AuthResult | None:
    """Return why the signature does not verify over the header; None where it does.

    A changed header and another key can be told apart for RSA: only the right key opens a signature.
    """
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature.octets, head, padding.PKCS1v15(), SHA256())
        else:
            key.verify(signature.octets, hashlib.sha256(head).digest())  # RFC 8463 3: the hash is what is signed
    except (InvalidSignature, ValueError):
        pass
    else:
        return None
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.recover_data_from_signature(signature.octets, padding.PKCS1v15(), SHA256())
    except (InvalidSignature, ValueError):
        return AuthResult(
            result=ResultCode.FAIL,
            why=f"The key at {signature.host} is not the one that signed this message.",
            code="dkim.wrong-key",
            fix=f"Publish the key that the signer holds at {signature.host}, or give the signer the published one.",
        )
    fields = ", ".join(dict.fromkeys(signature.signed))[:200]
    either = "" if isinstance(key, rsa.RSAPublicKey) else ", or it was signed by another key"
    return AuthResult(
        result=ResultCode.FAIL,
        why=f"A signed header field was changed on the way{either}. Signed are: {fields}.",
        fix="Sign as the last step: look for what changes the subject, the addresses or their line breaks after it.",
    )


def _pass(signature: Signature, record: KeyRecord, bits: int) -> AuthResult:
    """Return the result of a good signature, with the first thing that should be corrected all the same."""
    if signature.length is not None:
        return AuthResult(
            result=ResultCode.PASS,
            why=f"The signature is good, but covers only {signature.length} octets of the body (l=): "
            "whatever stands behind them can be anybody's.",
            fix="Set the signer not to write l=.",
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
