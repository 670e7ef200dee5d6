"""A customer's own key is taken when it can sign mail, and every mistake in sending one is named."""

import base64
import traceback

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from letterhead.adapters.keyring import EnvelopeKeyring
from letterhead.adapters.keyring_settings import KeyEncryptionKey
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind

RING = EnvelopeKeyring([KeyEncryptionKey("k", Secret(bytes(32)))])
PKCS8, PKCS1, OPENSSH = PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL, PrivateFormat.OpenSSH
KEY = rsa.generate_private_key(65537, 2048)
OTHER = rsa.generate_private_key(65537, 2048)
NUMBERS = KEY.private_numbers()
CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"


def written(key: PrivateKeyTypes, form: PrivateFormat = PKCS8, password: bytes | None = None) -> str:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, form, lock).decode()


def public(key: rsa.RSAPrivateKey, form: PublicFormat) -> str:
    return key.public_key().public_bytes(Encoding.PEM, form).decode()


def broken_pair() -> str:
    """Write a key whose private exponent is another key's."""
    foreign = OTHER.private_numbers()
    numbers = rsa.RSAPrivateNumbers(
        NUMBERS.p, NUMBERS.q, foreign.d, NUMBERS.dmp1, NUMBERS.dmq1, NUMBERS.iqmp, NUMBERS.public_numbers
    )
    return written(numbers.private_key(unsafe_skip_rsa_key_validation=True))


def spoiled(pem: str) -> str:
    return pem[:300] + ("A" if pem[300] != "A" else "B") + pem[301:]


@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(written(KEY, PKCS8), id="PKCS#8"),
        pytest.param(written(KEY, PKCS1), id="PKCS#1"),
        pytest.param(written(KEY).replace("\n", "\r\n"), id="Windows line ends"),
        pytest.param("\ufeffKey Attributes: <No Attributes>\n" + written(KEY) + "\n\n", id="text around it"),
    ],
)
def test_good_key_is_taken(pem: str) -> None:
    """Both forms of PEM give the same pair: SPKI for DNS, PKCS#8 for the provider."""
    pair = RING.read_pem(pem)
    assert load_der_public_key(base64.b64decode(pair.public_key)) == KEY.public_key()
    private = load_der_private_key(reveal(pair.private_key), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.private_numbers() == NUMBERS


def test_largest_key_is_taken() -> None:
    """A key of 4096 bits is the largest that receivers must read."""
    key = rsa.generate_private_key(65537, 4096)
    assert load_der_public_key(base64.b64decode(RING.read_pem(written(key)).public_key)) == key.public_key()


def test_made_pair_is_one_that_we_would_take() -> None:
    """Our own keys are RSA-2048 with the usual exponent, and their halves belong together."""
    pair = RING.make_pair()
    private = load_der_private_key(reveal(pair.private_key), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert (private.key_size, private.private_numbers().public_numbers.e) == (2048, 65537)
    assert load_der_public_key(base64.b64decode(pair.public_key)) == private.public_key()
    assert RING.make_pair().public_key != pair.public_key


MISTAKES = {
    "nothing": ("", "no -----BEGIN", "-----BEGIN line"),
    "a password": ("hunter2", "no -----BEGIN", "-----BEGIN line"),
    "base64 without armour": (written(KEY).split("-----")[2], "no -----BEGIN", "-----BEGIN line"),
    "1024 bits": (written(rsa.generate_private_key(65537, 1024)), "1024 bits, which is too short: RFC 8301", "openssl"),
    "exponent 3": (written(rsa.generate_private_key(3, 2048)), "exponent other than 65537", "openssl genrsa"),
    "P-256": (written(ec.generate_private_key(ec.SECP256R1())), "only RSA", "openssl genrsa"),
    "P-256, SEC 1": (written(ec.generate_private_key(ec.SECP256R1()), PKCS1), "elliptic-curve", "openssl genrsa"),
    "P-256 with parameters": (
        "-----BEGIN EC PARAMETERS-----\nBggq\n-----END EC PARAMETERS-----\n"
        + written(ec.generate_private_key(ec.SECP256R1()), PKCS1),
        "elliptic-curve",
        "openssl genrsa",
    ),
    "Ed25519": (written(ed25519.Ed25519PrivateKey.generate()), "only RSA", "openssl genrsa"),
    "DSA": (written(dsa.generate_private_key(1024), PKCS1), "DSA", "openssl genrsa"),
    "encrypted": (written(KEY, PKCS8, b"secret"), "encrypted with a passphrase", "openssl pkey"),
    "encrypted, the old way": (written(KEY, PKCS1, b"secret"), "encrypted with a passphrase", "openssl pkey"),
    "OpenSSH": (written(KEY, OPENSSH), "OpenSSH's own format", "ssh-keygen"),
    "two keys": (written(KEY) + written(OTHER), "2 blocks", "alone"),
    "key and certificate": (written(KEY) + CERTIFICATE, "2 blocks", "alone"),
    "certificate": (CERTIFICATE, "is a certificate", "private key that belongs"),
    "public key": (public(KEY, PublicFormat.SubjectPublicKeyInfo), "is the public key", "private key that belongs"),
    "PKCS#1 public key": (public(KEY, PublicFormat.PKCS1), "is the public key", "private key that belongs"),
    "something else": ("-----BEGIN X509 CRL-----\nMIIB\n-----END X509 CRL-----", "no private key", "one RSA"),
    "cut off": (written(KEY)[:600], "can't be decoded", "Copy the whole file"),
    "no end line": (written(KEY).rsplit("-----END", 1)[0], "can't be decoded", "Copy the whole file"),
    "line ends written out": (written(KEY).replace("\n", "\\n"), r"\n written out", "real line ends"),
    "one changed letter": (spoiled(written(KEY, PKCS1)), "do not belong together", "openssl genrsa"),
    "another key's exponent": (broken_pair(), "do not belong together", "openssl genrsa"),
    "a novel": ("-----BEGIN PRIVATE KEY-----\n" + "A" * 20_000, "longer than", "one RSA"),
    "stray surrogate": (written(KEY)[:200] + "\ud800" + written(KEY)[200:], "can't be decoded", "Copy the whole file"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistake_is_named(mistake: str) -> None:
    """Each mistake says what was sent and what to do, and repeats no window of the key, not even in a traceback."""
    pem, problem, fix = MISTAKES[mistake]
    with pytest.raises(Fault) as caught:
        RING.read_pem(pem)
    fault = caught.value
    assert fault.kind is Kind.KEY_INVALID
    assert problem in fault.detail
    assert fix in str(fault.fix)
    report = "".join(traceback.format_exception(fault)) + str(fault.fix)
    lines = [line for line in pem.splitlines() if not line.startswith("-----") and len(line) >= 24]
    assert not [line for line in lines if line[:24] in report or line[-24:] in report]
