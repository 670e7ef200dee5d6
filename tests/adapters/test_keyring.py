"""Secrets are sealed so that only the right key, in the right row, opens them; and no text ever shows one."""

import base64
import copy
import json
import pickle
import statistics
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from letterhead.adapters.keyring import EnvelopeKeyring, make_pepper
from letterhead.adapters.keyring_settings import KeyEncryptionKey, KmsKey, new_key_text, parse_keys
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind

OLD = KeyEncryptionKey("old", Secret(b"o" * 32))
NEW = KeyEncryptionKey("new", Secret(b"n" * 32))
PURPOSE = "dkim|account-1|acme.dev|lh-x1"
CANARY = b"canary-7Q2mZ-private-key-octets"
PAIR = EnvelopeKeyring([NEW]).make_pair()


def refused(kind: Kind, call: Callable[..., object], *arguments: object) -> Fault:
    with pytest.raises(Fault) as caught:
        call(*arguments)
    assert caught.value.kind is kind
    assert caught.value.fix
    return caught.value


def test_opens_what_it_sealed() -> None:
    """A sealed secret opens for its own purpose, and two seals of one secret share nothing."""
    ring = EnvelopeKeyring([NEW])
    first, second = ring.seal(Secret(CANARY), PURPOSE), ring.seal(Secret(CANARY), PURPOSE)
    assert reveal(ring.unseal(first, PURPOSE)) == reveal(ring.unseal(second, PURPOSE)) == CANARY
    assert CANARY not in first
    assert first[5:] != second[5:], "version, length and id are all that may be alike"
    assert reveal(ring.unseal(ring.seal(Secret(b""), PURPOSE), PURPOSE)) == b""


@pytest.mark.parametrize(
    "elsewhere",
    ["dkim|account-2|acme.dev|lh-x1", "dkim|account-1|acme.de|vlh-x1", "webhook|account-1|acme.dev|lh-x1", ""],
)
def test_moved_row_does_not_open(elsewhere: str) -> None:
    """Octets copied to another account, domain, selector or kind of secret stay shut, and the fault names the row."""
    ring = EnvelopeKeyring([NEW])
    fault = refused(Kind.KEYRING_WRONG, ring.unseal, ring.seal(Secret(CANARY), PURPOSE), elsewhere)
    assert repr(elsewhere) in fault.detail


def test_every_altered_octet_is_seen() -> None:
    """One changed bit anywhere (version, key id, wrapped key, nonces, text, tags) and nothing opens."""
    ring = EnvelopeKeyring([NEW, KeyEncryptionKey("nev", Secret(b"v" * 32))])
    sealed = ring.seal(Secret(CANARY), PURPOSE)
    for place in range(len(sealed)):
        for bit in range(8):
            altered = bytearray(sealed)
            altered[place] ^= 1 << bit
            refused(Kind.KEYRING_WRONG, ring.unseal, bytes(altered), PURPOSE)


def test_every_cut_is_seen() -> None:
    """A secret cut at any length, or with octets added, does not open."""
    ring = EnvelopeKeyring([NEW])
    sealed = ring.seal(Secret(CANARY), PURPOSE)
    for length in range(len(sealed)):
        refused(Kind.KEYRING_WRONG, ring.unseal, sealed[:length], PURPOSE)
    refused(Kind.KEYRING_WRONG, ring.unseal, sealed + b"\0", PURPOSE)


def test_parts_of_two_secrets_do_not_mix() -> None:
    """A wrapped key before another secret's body opens neither."""
    ring = EnvelopeKeyring([NEW])
    one, two = ring.seal(Secret(CANARY), PURPOSE), ring.seal(Secret(CANARY), PURPOSE)
    refused(Kind.KEYRING_WRONG, ring.unseal, one[:65] + two[65:], PURPOSE)


def test_old_key_reads_and_first_key_writes() -> None:
    """During a change of keys the old key still opens what it sealed; all new seals are by the first."""
    sealed = EnvelopeKeyring([OLD]).seal(Secret(CANARY), PURPOSE)
    both = EnvelopeKeyring([NEW, OLD])
    assert reveal(both.unseal(sealed, PURPOSE)) == CANARY
    assert reveal(EnvelopeKeyring([NEW]).unseal(both.seal(Secret(CANARY), PURPOSE), PURPOSE)) == CANARY


def test_rewrapped_secret_no_longer_needs_the_old_key() -> None:
    """After a re-wrap the old key can go, the secret stays bound to its row, and a second run changes nothing."""
    both = EnvelopeKeyring([NEW, OLD])
    again = both.rewrap(EnvelopeKeyring([OLD]).seal(Secret(CANARY), PURPOSE))
    assert again is not None
    assert reveal(EnvelopeKeyring([NEW]).unseal(again, PURPOSE)) == CANARY
    refused(Kind.KEYRING_WRONG, EnvelopeKeyring([NEW]).unseal, again, "elsewhere")
    refused(Kind.KEYRING_WRONG, EnvelopeKeyring([OLD]).unseal, again, PURPOSE)
    assert both.rewrap(again) is None


def test_sentinel_names_the_key_that_is_missing() -> None:
    """A start with the wrong keys is refused with the id that is needed and those that are there."""
    sentinel = EnvelopeKeyring([OLD]).sentinel()
    EnvelopeKeyring([NEW, OLD]).check_sentinel(sentinel)
    fault = refused(Kind.KEYRING_WRONG, EnvelopeKeyring([NEW]).check_sentinel, sentinel)
    assert "'old'" in fault.detail
    assert "'new'" in fault.detail
    assert "'old'" in str(fault.fix)


def test_sentinel_tells_a_wrong_key_under_the_right_id() -> None:
    """A key of the right name but other octets is named as such."""
    impostor = EnvelopeKeyring([KeyEncryptionKey("old", Secret(b"x" * 32))])
    fault = refused(Kind.KEYRING_WRONG, impostor.check_sentinel, EnvelopeKeyring([OLD]).sentinel())
    assert "'old' is not the key" in fault.detail


def test_sentinel_is_no_other_secret() -> None:
    """Another sealed secret in the sentinel's place is refused."""
    ring = EnvelopeKeyring([NEW])
    refused(Kind.KEYRING_WRONG, ring.check_sentinel, ring.seal(Secret(CANARY), PURPOSE))


GOOD = base64.b64encode(bytes(range(32))).decode()  # the same in every process: it stands in the ids of tests


ARN = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.mark.parametrize("arn", [ARN, ARN.replace("key/", "key/mrk-"), ARN.partition(":key/")[0] + ":alias/our/keys_1"])
def test_a_key_of_kms_is_named_beside_local_ones(arn: str) -> None:
    """A key that AWS KMS keeps stands in the list like any other, in the region of its ARN."""
    first, second = parse_keys(f"k1:{GOOD},k2:kms:{arn}")
    assert isinstance(first, KeyEncryptionKey)
    assert second == KmsKey("k2", arn, "eu-west-1")


def test_made_key_text_is_taken() -> None:
    """What the first start writes is what every later start reads, and no two ids are alike."""
    text = f"{new_key_text()},{new_key_text()}"
    keks = parse_keys(f" {text},\n")
    assert [kek.id for kek in keks] == [entry.partition(":")[0] for entry in text.split(",")]
    assert len(set(keks)) == len({kek.id for kek in keks}) == 2
    assert all(isinstance(kek, KeyEncryptionKey) and len(reveal(kek.secret)) == 32 for kek in keks)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "entry 1 is empty"),
        (f"a:{GOOD},,b:{GOOD}", "entry 2 is empty"),
        (GOOD, "entry 1 has no colon"),
        (f":{GOOD}", "the id of entry 1"),
        (f"a b:{GOOD}", "the id of entry 1"),
        (f"{'a' * 33}:{GOOD}", "the id of entry 1"),
        (f"{GOOD}:a", "the id of entry 1"),
        (f"a:{GOOD[:-2]}!=", "'a' is not base64"),
        (f"a:{GOOD[:-1]}", "'a' is not base64"),
        (f"a:{GOOD[:20]}", "'a' has 15 octets"),
        ("a:", "'a' has 0 octets"),
        (f"a:{GOOD},a:{GOOD}", "two keys have the id 'a'"),
        (f"a:{GOOD},a:kms:{ARN}", "two keys have the id 'a'"),
        ("a:kms:", "in key 'a' is not the ARN"),
        (f"a:kms:{GOOD}", "in key 'a' is not the ARN"),
        ("a:kms:1234abcd-12ab-34cd-56ef-1234567890ab", "in key 'a' is not the ARN"),
        (f"a:kms:{ARN}/x y", "in key 'a' is not the ARN"),
        (f"a:kms:{ARN.replace('kms', 's3')}", "in key 'a' is not the ARN"),
        (f"a:kms:{ARN.replace('eu-west-1', '127.0.0.1')}", "in key 'a' is not the ARN"),
    ],
)
def test_wrong_key_text_is_named(text: str, problem: str) -> None:
    """Each mistake in LETTERHEAD_KEYS is told with an example, and the key itself is never repeated."""
    fault = refused(Kind.CONFIG_INVALID, parse_keys, text)
    assert problem in fault.detail
    assert "LETTERHEAD_KEYS" in fault.detail
    assert "LETTERHEAD_KEYS=k1:" in str(fault.fix)
    assert GOOD[:16] not in f"{fault.detail} {fault.fix}"


def test_pepper_is_random() -> None:
    """Two installations never share a pepper."""
    assert len(reveal(make_pepper())) == 32
    assert reveal(make_pepper()) != reveal(make_pepper())


def shown(value: object) -> list[str]:
    return [
        repr(value),
        str(value),
        f"{value}",
        f"{value!r:>40}",
        "%s %r" % (value, value),  # noqa: UP031 - logging formats this way
        "{}".format(value),  # noqa: UP032
        repr([value]),
        repr({"key": value}),
        json.dumps({"key": value}, default=str),
        json.dumps({"key": value}, default=repr),
        msgspec.json.encode({"key": value}, enc_hook=str).decode(),
    ]


@pytest.mark.parametrize("kind", ["secret", "pair", "kek", "keyring"])
def test_secret_is_never_shown(kind: str) -> None:
    """No way of writing a secret, or what holds one, shows its octets in any spelling."""
    secret = Secret(CANARY)
    ring = EnvelopeKeyring([KeyEncryptionKey("k", Secret(CANARY.ljust(32)))])
    holders = {
        "secret": secret,
        "pair": msgspec.structs.replace(PAIR, private_key=secret),
        "kek": KeyEncryptionKey("k", secret),
        "keyring": ring,
    }
    for text in shown(holders[kind]):
        assert "7Q2mZ" not in text
        assert CANARY.hex()[:24] not in text


def test_secret_is_never_serialised() -> None:
    """Encoders that were not told how refuse a secret instead of writing it."""
    secret = Secret(CANARY)
    encoders: tuple[Callable[[Any], object], ...] = (
        json.dumps, msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps, copy.deepcopy, bytes, vars,
    )  # fmt: skip
    for encode in encoders:
        with pytest.raises(TypeError) as caught:
            encode(secret)
        assert "7Q2mZ" not in str(caught.value)
    with pytest.raises(TypeError):
        pickle.dumps(msgspec.structs.replace(PAIR, private_key=secret))


def test_traceback_with_variables_shows_no_key() -> None:
    """A crash report that prints every variable of every frame shows neither secret, data key nor KEK."""
    ring = EnvelopeKeyring([KeyEncryptionKey("k", Secret(CANARY.ljust(32)))])
    sealed = ring.seal(Secret(CANARY), PURPOSE)
    spoilt = sealed[:-1] + bytes([sealed[-1] ^ 1])
    for blob, purpose in ((sealed, "elsewhere"), (spoilt, PURPOSE), (b"\1\1z" + sealed[3:], PURPOSE)):
        with pytest.raises(Fault) as caught:
            ring.unseal(blob, purpose)
        report = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        assert "data_key" in report or "parts" in report, "variables were captured at all"
        assert "7Q2mZ" not in report


def test_process_writes_no_core() -> None:
    """After the call neither the limit nor a piping core_pattern gets this process's memory."""
    code = (
        "import ctypes, resource; from letterhead.adapters.keyring import forbid_core_dumps; forbid_core_dumps();"
        "print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "(0, 0) 0"


def test_opening_a_key_costs_little_beside_signing_with_it() -> None:
    """The median of 500 is less than a tenth of what one signature of RSA-2048 costs (measured: a fiftieth)."""
    ring = EnvelopeKeyring([NEW])
    sealed = ring.seal(PAIR.private_key, PURPOSE)
    key = load_der_private_key(reveal(PAIR.private_key), None)
    assert isinstance(key, RSAPrivateKey)
    opening, signing = list[float](), list[float]()
    for _ in range(500):
        start = time.perf_counter()
        ring.unseal(sealed, PURPOSE)
        opened = time.perf_counter()
        key.sign(b"a message", PKCS1v15(), SHA256())
        opening.append(opened - start)
        signing.append(time.perf_counter() - opened)
    assert statistics.median(opening) < statistics.median(signing) / 10
