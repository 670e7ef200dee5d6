"""A customer's private key in PEM, and the ways in which it arrives wrong. No message repeats its text."""

import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from letterhead.errors import Fault, Kind

EXPONENT = 65537
SMALLEST = 2048  # RFC 8301 3.2: signers SHOULD use at least 2048 bits
LEAST_IN_USE = 1024  # RFC 8301 3.2: verifiers MUST be able to take so many, so what signs already goes on
LARGEST = 4096  # RFC 8301 3.2: verifiers need not take more
LONGEST_TEXT = 16_384  # a 4096-bit key is 3.3 KB of PEM
LARGEST_PRIME = 0.6  # of the key's bits: every program makes both primes half as long as the key

_BEGIN = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----")
_PRIVATE = ("PRIVATE KEY", "RSA PRIVATE KEY")
_SEND = "Send one RSA private key as PEM, from its -----BEGIN line to its -----END line."
_COPY = f"Copy the whole file again. {_SEND}"
_MAKE = "Make a new one with `openssl genrsa -out key.pem 2048`, or leave the key out and Letterhead makes it."
_IN_USE = "A domain whose mail it signs already is added with acceptShortKey."
_UNRELATED = ("has numbers that do not belong together: nobody could verify its signatures", _MAKE)
_DECRYPT = "Decrypt it with `openssl pkey -in key.pem -out plain.pem`, and send plain.pem."
_ENCRYPTED = ("is encrypted with a passphrase", _DECRYPT)
_PUBLIC = "Send the private key that belongs to it."
_CURVE = ("is an elliptic-curve key, and only RSA is taken", _MAKE)
_CONVERT = "Convert a copy with `ssh-keygen -p -m PEM -N '' -f copy-of-key`, and send what it then holds."
_OTHERS = {  # label → what it is, what to do
    "CERTIFICATE": ("is a certificate, which holds only the public half", _PUBLIC),
    "CERTIFICATE REQUEST": ("is a certificate request, which holds only the public half", _PUBLIC),
    "PUBLIC KEY": ("is the public key", _PUBLIC),
    "RSA PUBLIC KEY": ("is the public key", _PUBLIC),
    "EC PRIVATE KEY": _CURVE,
    "EC PARAMETERS": _CURVE,
    "DSA PRIVATE KEY": ("is a DSA key, and only RSA is taken", _MAKE),
    "OPENSSH PRIVATE KEY": ("is in OpenSSH's own format", _CONVERT),
    "PGP PRIVATE KEY BLOCK": ("is an OpenPGP key", _MAKE),
    "ENCRYPTED PRIVATE KEY": _ENCRYPTED,
}


def read_private_key(pem: str, smallest: int = SMALLEST) -> rsa.RSAPrivateKey:
    """Read one RSA key of `smallest` to 4096 bits from PKCS#1 or PKCS#8 PEM.

    Raise Fault `key-invalid`, which names what is wrong.
    """
    _check_blocks(pem)
    key = _load(pem, skip_validation=True)  # size and kind first: checking a huge key's primes is what would cost
    if not isinstance(key, rsa.RSAPrivateKey):
        raise _fault("is not an RSA key, and only RSA is taken", _MAKE)
    _check_numbers(key, smallest)
    _load(pem, skip_validation=False)
    return key


def _check_blocks(pem: str) -> None:
    if len(pem) > LONGEST_TEXT:
        raise _fault(f"is longer than {LONGEST_TEXT:,} characters, as no key is", _SEND)
    labels = _BEGIN.findall(pem)
    if not labels:
        raise _fault("has no -----BEGIN … PRIVATE KEY----- line", _SEND)
    if "\\n" in pem:
        raise _fault(r"has \n written out where its lines should end", "Send it with real line ends.")
    if "EC PARAMETERS" in labels:  # openssl writes these before the key: two blocks, but one mistake
        raise _fault(*_CURVE)
    if len(labels) > 1:
        raise _fault(f"holds {len(labels)} blocks, not one", "Send the private key's block alone.")
    if labels[0] not in _PRIVATE:
        raise _fault(*_OTHERS.get(labels[0], ("is no private key", _SEND)))
    if "Proc-Type: 4,ENCRYPTED" in pem:  # RFC 1421 4.6.1.1, which `openssl genrsa -aes256 -traditional` still writes
        raise _fault(*_ENCRYPTED)


def _load(pem: str, *, skip_validation: bool) -> object:
    try:
        return load_pem_private_key(pem.encode(), password=None, unsafe_skip_rsa_key_validation=skip_validation)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        if skip_validation:
            raise _fault("can't be decoded: a part is missing or was changed", _COPY) from error
        raise _fault(*_UNRELATED) from error


def _check_numbers(key: rsa.RSAPrivateKey, smallest: int) -> None:
    if key.key_size < smallest:
        reason = f"RFC 8301 asks for {SMALLEST}, since shorter keys can be broken"
        fix = _MAKE if key.key_size < LEAST_IN_USE else f"{_MAKE} {_IN_USE}"
        raise _fault(f"has {key.key_size} bits, which is too short: {reason}", fix)
    if key.key_size > LARGEST:
        reason = f"RFC 8301 lets receivers ignore keys above {LARGEST}"
        raise _fault(f"has {key.key_size:,} bits, which is too long: {reason}", _MAKE)
    numbers = key.private_numbers()
    # Whether they are primes is tested last: that takes minutes for far larger ones than the key has.
    balanced = max(numbers.p, numbers.q).bit_length() <= key.key_size * LARGEST_PRIME
    if not balanced or numbers.p * numbers.q != numbers.public_numbers.n:
        raise _fault(*_UNRELATED)
    if numbers.public_numbers.e != EXPONENT:
        raise _fault(f"has a public exponent other than {EXPONENT}, which some receivers refuse", _MAKE)


def _fault(problem: str, fix: str) -> Fault:
    return Fault(Kind.KEY_INVALID, f"What was sent as the private key {problem}.", fix)
