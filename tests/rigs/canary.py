"""Find any piece of what is secret in a private key in octets, however they are written: as they are, base64, hex."""

import base64
from collections.abc import Iterable, Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

WINDOW = 24  # characters of base64: 18 octets
_OCTETS = WINDOW * 3 // 4

Key = RSAPrivateKey | Ed25519PrivateKey | bytes  # octets are a key as they are


def secrets_of(key: Key) -> list[bytes]:
    """Return what must stay inside; modulus and exponent are in DNS for all to see."""
    if isinstance(key, bytes):
        return [key]
    if isinstance(key, Ed25519PrivateKey):
        return [key.private_bytes_raw()]
    private = key.private_numbers()
    secret = (private.d, private.p, private.q, private.dmp1, private.dmq1, private.iqmp)
    return [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in secret]


class Canary:
    """Knows every window of what is secret in some keys, in each way to write it."""

    def __init__(self, keys: Iterable[Key]) -> None:
        secrets = [secret for key in keys for secret in secrets_of(key)]
        self._raw = {piece for secret in secrets for piece in _windows(secret, _OCTETS)}
        hexes = {piece for secret in secrets for piece in _windows(secret.hex().encode(), WINDOW)}
        self._text = hexes | {piece for secret in secrets for piece in _in_base64(secret)}

    def hits(self, octets: bytes) -> int:
        """Count the windows found; line breaks, as PEM has them, hide nothing."""
        bare = octets.translate(None, b"\r\n\t ").replace(b"\\n", b"")
        urls = bare.replace(b"-", b"+").replace(b"_", b"/")
        found = sum(octets[at : at + _OCTETS] in self._raw for at in range(len(octets) - _OCTETS + 1))
        for text in {bare, urls, bare.lower()}:
            found += sum(text[at : at + WINDOW] in self._text for at in range(len(text) - WINDOW + 1))
        return found


def _in_base64(secret: bytes) -> Iterator[bytes]:
    for shift in range(3):
        whole = secret[shift : shift + (len(secret) - shift) // 3 * 3]
        yield from _windows(base64.b64encode(whole), WINDOW)


def _windows(octets: bytes, size: int) -> Iterator[bytes]:
    return (octets[at : at + size] for at in range(len(octets) - size + 1))
