"""Odd and hostile private keys: what programs and people make of PEM, and numbers chosen to cost us time."""

import base64
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_der_private_key

from letterhead.adapters.keyring import EnvelopeKeyring
from letterhead.adapters.keyring_settings import KeyEncryptionKey
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind

RING = EnvelopeKeyring([KeyEncryptionKey("k", Secret(bytes(32)))])
KEY = rsa.generate_private_key(65537, 2048)
NUMBERS = KEY.private_numbers()
N, E, D, P, Q = NUMBERS.public_numbers.n, 65537, NUMBERS.d, NUMBERS.p, NUMBERS.q
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
DSA = dsa.generate_private_key(1024).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
SECONDS = 1.0  # of CPU, on a machine that is busy with others
# 2**44497 - 1 is a prime (Nelson and Slowinski, 1979): nothing is quicker to say of it than that it may be one.
HUGE, LONG = 2**44497 - 1, 2**3217 - 1


def der(tag: int, content: bytes) -> bytes:
    """Write one value (X.690 8.1)."""
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + (bytes([size]) if size < 128 else bytes([0x80 | len(octets)]) + octets) + content


def pkcs1(n: int = N, e: int = E, d: int = D, p: int = P, q: int = Q, **more: int) -> bytes:
    """Write an RSAPrivateKey (RFC 8017 A.1.2) of any numbers, right ones by default."""
    crt = {"dmp1": NUMBERS.dmp1, "dmq1": NUMBERS.dmq1, "iqmp": NUMBERS.iqmp} | more
    numbers = (more.get("version", 0), n, e, d, p, q, crt["dmp1"], crt["dmq1"], crt["iqmp"])
    integers = (der(2, each.to_bytes(each.bit_length() // 8 + 1, "big", signed=True)) for each in numbers)
    return der(0x30, b"".join(integers))


def armoured(octets: bytes, label: str = "RSA PRIVATE KEY") -> str:
    """Write PEM."""
    text = base64.b64encode(octets).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join([f"-----BEGIN {label}-----", *lines, f"-----END {label}-----", ""])


TAKEN: dict[str, Callable[[], str]] = {
    "as it is": lambda: armoured(pkcs1()),
    "Windows line ends": lambda: PEM.replace("\n", "\r\n"),
    "old Mac line ends": lambda: PEM.replace("\n", "\r"),
    "indented, as in YAML": lambda: "".join(f"    {line}\n" for line in PEM.splitlines()),
    "spaces at the ends": lambda: PEM.replace("\n", "  \n"),
    "on one line": lambda: PEM.replace("\n", " "),
    "in quotes": lambda: f'"{PEM}"',
    "text before and after": lambda: f"Bag Attributes\n    friendlyName: dkim\n{PEM}sent from my telephone\n",
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_panels_do_to_a_good_key_is_forgiven(name: str) -> None:
    """The same key comes out, whatever happened to its lines on the way."""
    private = load_der_private_key(reveal(RING.read_pem(TAKEN[name]()).private_key), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.private_numbers() == NUMBERS


STRANGERS, BROKEN = "do not belong together", "can't be decoded"
REFUSED: dict[str, tuple[Callable[[], str], str]] = {
    "DSA as PKCS #8": (lambda: DSA, "only RSA"),
    "sent twice": (lambda: PEM + PEM, "2 blocks"),
    "DER as base64, as privateDKIMKey is": (lambda: base64.b64encode(pkcs1()).decode(), "no -----BEGIN"),
    "DER as hex": (lambda: pkcs1().hex(), "no -----BEGIN"),
    "typographer's dashes": (lambda: PEM.replace("-----", "\u2014"), "no -----BEGIN"),
    "URL-safe base64": (lambda: armoured(pkcs1()).replace("+", "-").replace("/", "_"), BROKEN),
    "quoted-printable": (lambda: PEM.replace("\n", "=\n"), BROKEN),
    "an END of another kind": (lambda: PEM.replace("END PRIVATE", "END RSA PRIVATE"), BROKEN),
    "PKCS #1 called PKCS #8": (lambda: armoured(pkcs1(), "PRIVATE KEY"), BROKEN),
    "NUL in the middle": (lambda: PEM[:200] + "\0" + PEM[200:], BROKEN),
    "octets behind the key": (lambda: armoured(pkcs1() + b"more"), BROKEN),
    "three primes": (lambda: armoured(pkcs1(version=1)), BROKEN),
    "a negative modulus": (lambda: armoured(pkcs1(n=-N)), BROKEN),
    "a negative exponent": (lambda: armoured(pkcs1(d=-D)), BROKEN),
    "negative primes": (lambda: armoured(pkcs1(p=-P, q=-Q)), BROKEN),
    "no modulus": (lambda: armoured(pkcs1(n=0)), "too short"),
    "16,384 bits": (lambda: armoured(pkcs1(n=2**16384 - 1)), "16,384 bits, which is too long"),
    "exponent 1": (lambda: armoured(pkcs1(e=1)), "exponent other than 65537"),
    "exponent 3": (lambda: armoured(pkcs1(e=3)), "exponent other than 65537"),
    "p times q is not n": (lambda: armoured(pkcs1(n=N + 2)), STRANGERS),
    "an even modulus": (lambda: armoured(pkcs1(n=N + 1)), STRANGERS),
    "one is no prime": (lambda: armoured(pkcs1(p=1, q=N)), STRANGERS),
    "no private exponent": (lambda: armoured(pkcs1(d=0)), STRANGERS),
    "a wrong coefficient": (lambda: armoured(pkcs1(iqmp=NUMBERS.iqmp + 1)), STRANGERS),
    "a wrong exponent of p": (lambda: armoured(pkcs1(dmp1=NUMBERS.dmp1 + 2)), STRANGERS),
    "a huge first prime": (lambda: armoured(pkcs1(p=HUGE)), STRANGERS),
    "a huge second prime": (lambda: armoured(pkcs1(q=HUGE)), STRANGERS),
    "a long prime and a short one": (lambda: armoured(pkcs1(n=LONG * 5, p=LONG, q=5)), STRANGERS),
    "a huge private exponent": (lambda: armoured(pkcs1(d=HUGE)), STRANGERS),
    "a huge coefficient": (lambda: armoured(pkcs1(iqmp=HUGE)), STRANGERS),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_signer_could_use_is_refused_by_name_and_at_once(name: str) -> None:
    """Each is told for what it is, within a second of CPU, whatever its numbers were chosen for."""
    pem, problem = REFUSED[name][0](), REFUSED[name][1]
    began = time.process_time()
    with pytest.raises(Fault) as caught:
        RING.read_pem(pem)
    assert time.process_time() - began < SECONDS
    assert caught.value.kind is Kind.KEY_INVALID
    assert problem in caught.value.detail
    assert caught.value.fix
