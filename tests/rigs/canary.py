"""Finds any piece of an RSA key's private numbers in octets, however they are written: as they are, base64, hex."""

import base64
from collections.abc import Iterable, Iterator

from cryptography.hazmat.primitives.asymmetric import rsa

WINDOW = 24  # characters of base64: 18 octets
_OCTETS = WINDOW * 3 // 4


def numbers_of(key: rsa.RSAPrivateKey) -> list[bytes]:
    """Gives what must stay inside; modulus and exponent are in DNS for all to see."""
    private = key.private_numbers()
    secret = (private.d, private.p, private.q, private.dmp1, private.dmq1, private.iqmp)
    return [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in secret]


class Canary:
    """Knows every window of the private numbers of some keys, in each way to write them."""

    def __init__(self, keys: Iterable[rsa.RSAPrivateKey]) -> None:
        numbers = [number for key in keys for number in numbers_of(key)]
        self._raw = {piece for number in numbers for piece in _windows(number, _OCTETS)}
        hexes = {piece for number in numbers for piece in _windows(number.hex().encode(), WINDOW)}
        base64s = {
            piece
            for number in numbers
            for shift in range(3)
            for piece in _windows(base64.b64encode(number[shift : shift + (len(number) - shift) // 3 * 3]), WINDOW)
        }
        self._text = base64s | hexes

    def hits(self, octets: bytes) -> int:
        """Counts the windows found; line breaks, as PEM has them, hide nothing."""
        bare = octets.translate(None, b"\r\n\t ").replace(b"\\n", b"")
        urls = bare.replace(b"-", b"+").replace(b"_", b"/")
        found = sum(octets[at : at + _OCTETS] in self._raw for at in range(len(octets) - _OCTETS + 1))
        for text in {bare, urls, bare.lower()}:
            found += sum(text[at : at + WINDOW] in self._text for at in range(len(text) - WINDOW + 1))
        return found


def _windows(octets: bytes, size: int) -> Iterator[bytes]:
    return (octets[at : at + size] for at in range(len(octets) - size + 1))
