"""What the relay's signature covers and how its field is written. The ciphers: tests/adapters/test_dkim_signer.py."""

from datetime import UTC, datetime

from letterhead.core.dkim.key_record import parse_key_record
from letterhead.core.dkim.signature import Signature, head_octets, parse_signature
from letterhead.core.dkim.signing import fields_to_sign, new_signature, signed_field
from letterhead.core.message.message import parse_message

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
MESSAGE = (
    b"Received: from a\r\nFrom: a@acme.dev\r\nTo: b@receiver.test\r\nSubject: s\r\nList-Help: 1\r\nList-Help: 2\r\n"
    b"MIME-Version: 1.0\r\nX-Other: x\r\n\r\nbody\r\n"
)


def signature_of(message: bytes = MESSAGE, domain: str = "acme.dev", selector: str = "lh1") -> Signature:
    """Return the signature of a message before it is signed."""
    return new_signature(parse_message(message), domain, selector, "rsa-sha256", AT)


def test_fields_are_signed_once_more_than_they_are_there() -> None:
    """Nobody can add another From or Subject; lists may add their fields, servers may trace and mark."""
    assert fields_to_sign(parse_message(MESSAGE)) == (
        "from", "from", "to", "to", "cc", "subject", "subject", "date", "message-id", "reply-to", "in-reply-to",
        "references", "mime-version", "mime-version", "list-help", "list-help",
    )  # fmt: skip


def test_the_field_has_these_parts() -> None:
    """The parts stand in this order, each once, l= and x= never; b= is empty in what is signed."""
    message, signature = parse_message(MESSAGE), signature_of()
    written = signed_field(signature, bytes(256))
    tags = parse_key_record(written.partition(b":")[2].decode())
    assert tags is not None
    assert tags.names == ["v", "a", "c", "d", "i", "q", "s", "t", "h", "bh", "b"]
    assert tags.get("t") == "1795435200"
    assert tags.get("i") == "@acme.dev"
    assert head_octets(message, signature).endswith(b" bh=Ck5SoRNWUpSR4X0COv7R5ub2pUTtl6xz4dTFz++ji4M=; b=")


def test_the_field_is_read_as_it_was_meant() -> None:
    """What our own verifier reads, and takes for signed, is what was signed."""
    signature = signature_of()
    message = parse_message(signed_field(signature, bytes(range(256))) + MESSAGE)
    found = parse_signature(message.fields_named("dkim-signature")[0])
    assert found.trouble is None
    for part in ("domain", "selector", "algorithm", "identity", "signed", "canon", "body_hash", "length", "made"):
        assert getattr(found, part) == getattr(signature, part), part
    assert found.octets == bytes(range(256))
    assert head_octets(message, found) == head_octets(parse_message(MESSAGE), signature)


def test_lines_are_short() -> None:
    """No line passes the 78 columns of RFC 5322 2.1.1; only a longer name does, and stays whole."""
    assert max(map(len, signed_field(signature_of(), bytes(512)).split(b"\r\n"))) <= 78
    domain = ".".join(["a" * 60] * 4)
    written = signed_field(signature_of(domain=domain, selector="b" * 60), bytes(512))
    assert max(map(len, written.split(b"\r\n"))) < 300
    assert f" d={domain};\r\n".encode() in written
