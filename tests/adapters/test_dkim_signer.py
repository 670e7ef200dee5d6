"""Hold what the relay signs against dkimpy and our own verifier: odd messages, all keys, and what was changed."""

import base64
import re
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from letterhead.adapters.dkim_signer import DkimSigner
from letterhead.core.dkim.signing import ALWAYS, AS_THEY_ARE, WHERE_THERE, fields_to_sign
from letterhead.core.message.message import parse_message
from letterhead.core.secret import Secret
from tests.core.receiver import judged

KINDS = ("ed25519", "rsa-1024", "rsa-2048", "rsa-3072", "rsa-4096")
NOW = datetime.now(UTC).replace(microsecond=0)  # dkimpy looks at the clock itself


class Key(NamedTuple):
    """A private key as the store has it, as dkimpy takes it, and its record."""

    secret: Secret
    pem: bytes
    record: str


@lru_cache
def key(kind: str) -> Key:
    """Make the one key of a kind."""
    made: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey
    if kind == "ed25519":
        made = ed25519.Ed25519PrivateKey.generate()
        public = made.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    else:
        made = rsa.generate_private_key(65537, int(kind.removeprefix("rsa-")))
        public = made.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(
        secret=Secret(made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())),
        pem=made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        record=f"v=DKIM1; k={kind[:3] if kind[0] == 'r' else kind}; p={base64.b64encode(public).decode()}",
    )


def sign(message: bytes, kind: str = "rsa-2048", domain: str = "acme.dev", selector: str = "lh1") -> bytes:
    """Sign a message, and end its last line as SMTP does on the way (RFC 5321 4.1.1.4)."""
    signed = DkimSigner().sign(message, domain, selector, key(kind).secret, NOW)
    return signed if signed.endswith(b"\r\n") else signed + b"\r\n"


def ours(message: bytes, kind: str = "rsa-2048") -> bool:
    """Say whether our own verifier takes the signature."""
    found = judged(message, {"lh1._domainkey.acme.dev": {"TXT": [key(kind).record]}}, now=NOW)
    return found.dkim[0].verified.judgement.result == "pass"


def theirs(message: bytes, kind: str = "rsa-2048") -> bool:
    """Say whether dkimpy does."""
    try:
        return bool(dkim.verify(message, dnsfunc=lambda name, timeout=5: key(kind).record.encode()))
    except dkim.DKIMException:
        return False


VERIFIERS = pytest.mark.parametrize("verifies", [ours, theirs])
# Other controls than tabs are none of a mail's, and dkimpy strips more of them than RFC 6376 has.
TEXT = st.lists(st.sampled_from([*range(32, 256), *b" \t" * 30]), max_size=60).map(bytes)
LONG = st.integers(500, 990).map(lambda length: b"long " * (length // 5))
FOLDED = st.lists(TEXT | LONG, min_size=1, max_size=4).map(lambda lines: b"\r\n\t".join([b"x", *lines]))
NAMES = st.sampled_from([*ALWAYS[1:], *WHERE_THERE, *AS_THEY_ARE, "received", "x-odd"])
FIELDS = st.lists(st.tuples(NAMES, st.sampled_from(["lower", "title", "upper"]), FOLDED), max_size=12)
LINES = st.lists(st.sampled_from([b"", b"", b" ", b"\t "]) | TEXT | LONG, max_size=12).map(b"\r\n".join)
BODIES = st.sampled_from([b"", b"\r\n", b"\r\n\r\n\r\n", b" \r\n", b"x", b"x  "]) | LINES


@st.composite
def messages(draw: Callable[[st.SearchStrategy[object]], object]) -> bytes:
    """Return messages with odd folding, 8-bit text, fields several times, long lines, blank lines, no end."""
    fields = draw(st.tuples(FIELDS, FIELDS))
    assert isinstance(fields, tuple)
    before, after = (b"".join(_field(*each) for each in some) for some in fields)
    body = draw(BODIES)
    assert isinstance(body, bytes)
    return before + b"From: Acme\r\n <a@acme.dev> \r\n" + after + b"\r\n" + body


def _field(name: str, case: str, value: bytes) -> bytes:
    return str(getattr(name, case)()).encode() + b":" + value + b"\r\n"


@settings(deadline=None)
@given(messages(), st.sampled_from(KINDS))
def test_what_is_signed_verifies(message: bytes, kind: str) -> None:
    """Whatever the message is like, a receiver takes it, and the message itself is as it was."""
    signed = sign(message, kind)
    assert message in signed
    assert theirs(signed, kind)
    assert ours(signed, kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_signs(kind: str) -> None:
    """RSA of every size that a record may have, and Ed25519 (RFC 8463)."""
    signed = sign(b"From: a@acme.dev\r\nSubject: s\r\n\r\nbody\r\n", kind)
    assert (b"a=ed25519-sha256;" if kind == "ed25519" else b"a=rsa-sha256;") in signed
    assert ours(signed, kind)
    assert theirs(signed, kind)


@settings(deadline=None)
@given(messages(), st.sampled_from(["ed25519", "rsa-2048"]), st.data())
def test_a_changed_octet_fails(message: bytes, kind: str, data: st.DataObject) -> None:
    """One bit of one octet that is signed, in the body or a field, and nobody takes it any more."""
    whole = message.replace(b"\r\n\r\n", b"\r\nSubject: a subject\r\n\r\n", 1) + b"body\r\n"
    signed = bytearray(sign(whole, kind))
    head = signed.index(b"\r\n\r\n")
    subject = signed.rindex(b"Subject: a subject", 0, head)
    places = [
        *range(head + 4, len(signed)),
        *range(subject + 8, head),
        *range(signed.index(b" t=") + 3, signed.index(b"; h=")),
    ]
    # A blank may be one of several, which count as one.
    at = data.draw(st.sampled_from([each for each in places if signed[each] > 32]))
    signed[at] ^= 1
    assert not ours(bytes(signed), kind)
    assert not theirs(bytes(signed), kind)


@VERIFIERS
@pytest.mark.parametrize("name", [*ALWAYS, *WHERE_THERE])
def test_a_field_added_fails(name: str, verifies: Callable[[bytes], bool]) -> None:
    """Nobody puts a second one of what readers act on above the first."""
    extra = "".join(f"{each}: x\r\n" for each in WHERE_THERE).encode()
    signed = sign(b"From: a@acme.dev\r\nSubject: s\r\n" + extra + b"\r\nbody\r\n")
    assert verifies(signed)
    assert not verifies(f"{name}: evil@evil.test\r\n".encode() + signed)


@VERIFIERS
@pytest.mark.parametrize("name", [*AS_THEY_ARE, "received", "x-spam"])
def test_a_field_of_the_way_may_be_added(name: str, verifies: Callable[[bytes], bool]) -> None:
    """What servers and lists put above is no change of what was signed."""
    signed = sign(f"From: a@acme.dev\r\n{name}: ours\r\n\r\nbody\r\n".encode())
    assert verifies(f"{name}: theirs\r\n".encode() + signed)


@VERIFIERS
def test_folding_on_the_way_does_no_harm(verifies: Callable[[bytes], bool]) -> None:
    """A server folds fields anew and strips blanks at line ends (RFC 6376 3.4.2, 3.4.4)."""
    signed = sign(b"From: a@acme.dev\r\nSubject: one two \tthree\r\n\r\nbody  \r\n\r\n\r\n")
    changed = signed.replace(b"one two \tthree", b"one\r\n two\r\n\tthree ").replace(b"body  \r\n\r\n", b"body\r\n")
    assert verifies(signed)
    assert verifies(changed)


@settings(deadline=None)
@given(messages().filter(lambda message: message.endswith(b"\r\n")))
def test_the_signature_is_the_one_that_dkimpy_makes(message: bytes) -> None:
    """Earlier releases signed with dkimpy: asked for the same, it writes the same parts, and the same b=."""
    signer = dkim.DKIM(message)
    names = [name.encode() for name in fields_to_sign(parse_message(message))]
    field = signer.sign(
        b"lh1", b"acme.dev", key("rsa-2048").pem, canonicalize=(b"relaxed", b"relaxed"), include_headers=names
    )
    at = datetime.fromtimestamp(int(re.search(rb"t=(\d+)", field)[1]), UTC)  # type: ignore[index]
    signed = DkimSigner().sign(message, "acme.dev", "lh1", key("rsa-2048").secret, at)
    assert re.sub(rb"\s", b"", signed.removesuffix(message)) == re.sub(rb"\s", b"", field)


def test_a_long_name_is_not_split() -> None:
    """A domain or selector that is longer than a line stays whole: no white space may stand in it."""
    domain, selector = ".".join(["a" * 50] * 3) + ".dev", "b" * 60
    signed = sign(b"From: a@acme.dev\r\n\r\nbody\r\n", domain=domain, selector=selector)
    record = key("rsa-2048").record
    asked = []

    def dns(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name.decode())
        return record.encode()

    assert dkim.verify(signed, dnsfunc=dns)
    assert asked == [f"{selector}._domainkey.{domain}."]
    found = judged(signed, {f"{selector}._domainkey.{domain}": {"TXT": [record]}}, now=NOW)
    assert found.dkim[0].verified.judgement.result == "pass"


def test_every_field_is_seen() -> None:
    """More fields than our verifier reads are signed as they are: the last Subject is the one that counts."""
    message = b"X-Odd: x\r\n" * 3000 + b"From: a@acme.dev\r\nSubject: s\r\n\r\nbody\r\n"
    assert theirs(sign(message))
    assert not theirs(sign(message).replace(b"Subject: s", b"Subject: t"))
