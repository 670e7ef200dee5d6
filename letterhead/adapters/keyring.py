"""Secrets sealed at rest with envelope encryption, and key pairs made and read.

Each secret has a fresh data key, which the first key-encryption key (KEK) wraps. A new KEK means
wrapping 60 octets per row again, and never opening the secret itself.

A sealed secret: version (1) | length of KEK id (1) | KEK id | wrapped data key (12 + 32 + 16) | body (12 + n + 16).

Both layers are AES-256-GCM with a random 96-bit nonce. The wrap is GCM and not RFC 3394, since its AAD binds the header
that names the KEK, its tag has 128 bits instead of 64, and there is one primitive to know. Random nonces allow 2**32
wraps per KEK (NIST SP 800-38D 8.3), more than there will ever be. The purpose is bound by the body's AAD alone: so
`rewrap` needs no purpose, and runs over a table that it does not understand.
"""

import base64
import ctypes
import os
import resource
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from letterhead.adapters.keyring_settings import KEY_OCTETS, WHERE, KeyEncryptionKey
from letterhead.adapters.pem import EXPONENT, LEAST_IN_USE, SMALLEST, read_private_key
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.ports.keyring import KeyPair

VERSION = 1
KEY_BITS = 2048  # what every provider takes
_KEY = KEY_OCTETS
_NONCE = 12
_TAG = 16
_WRAPPED = _NONCE + _KEY + _TAG
_SENTINEL_PURPOSE = "sentinel"
_SENTINEL = b"letterhead"


class _Sealed(NamedTuple):
    kek_id: str
    wrapped: bytes
    body: bytes


class EnvelopeKeyring:
    """The implementation of `Keyring`: seals with the first key-encryption key, opens with any of them."""

    def __init__(self, keks: Sequence[KeyEncryptionKey]) -> None:
        if not keks:
            raise ValueError("a keyring needs at least one key-encryption key")
        self._ciphers = {kek.id: AESGCM(reveal(kek.secret)) for kek in keks}
        self._first = keks[0].id

    def make_pair(self) -> KeyPair:
        """Make an RSA-2048 key; it takes some 50 ms of CPU, so call it in a thread."""
        return _pair(rsa.generate_private_key(EXPONENT, KEY_BITS))

    def make_ed25519(self) -> KeyPair:
        """Make an Ed25519 key, in no time."""
        key = ed25519.Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return KeyPair(public_key=_public_ed25519(key), private_key=Secret(private))

    def read_pem(self, pem: str, *, is_in_use: bool = False) -> KeyPair:
        """Read a customer's own private key (PKCS#1 or PKCS#8 PEM).

        Raise Fault `key-invalid` that names the problem.
        """
        return read_key_pair(pem, is_in_use=is_in_use)

    def seal(self, secret: Secret, purpose: str) -> bytes:
        """Encrypt a secret bound to its purpose (`purpose|account|domain|selector`): for no other does it open."""
        data_key = Secret(os.urandom(_KEY))
        return self._wrap(data_key) + _encrypt(AESGCM(reveal(data_key)), secret, _body_aad(purpose))

    def unseal(self, sealed: bytes, purpose: str) -> Secret:
        """Decrypt what `seal` made for the same purpose; raise Fault `keyring-wrong` where it does not open."""
        parts = _parse(sealed)
        data_key = self._unwrap(parts)
        try:
            return _decrypt(AESGCM(reveal(data_key)), parts.body, _body_aad(purpose))
        except InvalidTag as error:
            raise Fault(
                Kind.KEYRING_WRONG,
                f"A sealed secret does not open for {purpose!r}: it was altered, or belongs to another row.",
                "Restore the row from a backup, or give the domain a new key.",
            ) from error

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the key-encryption keys that we have."""
        return tuple(self._ciphers)

    def sealed_by(self, sealed: bytes) -> str:
        """Return the id of the key-encryption key that a secret is sealed with; raise Fault `keyring-wrong`."""
        return sealed_by(sealed)

    def public_key(self, private_key: Secret) -> str:
        """Return the public key of a key of our own (PKCS#8 DER) as `KeyPair` has it."""
        # Made here, so its numbers need not be checked again, which takes longer than to sign.
        key = load_der_private_key(reveal(private_key), password=None, unsafe_skip_rsa_key_validation=True)
        if isinstance(key, ed25519.Ed25519PrivateKey):
            return _public_ed25519(key)
        assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101 sealed as such
        return _public_rsa(key)

    def sign_rs256(self, private_key: Secret, octets: bytes) -> str:
        """Sign octets with an RSA key of our own (RFC 7518 3.3: RSASSA-PKCS1-v1_5 with SHA-256); return base64."""
        # Made here, so its numbers need not be checked again, which takes longer than to sign.
        key = load_der_private_key(reveal(private_key), password=None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101 sealed as such
        return base64.b64encode(key.sign(octets, PKCS1v15(), SHA256())).decode()

    def rewrap(self, sealed: bytes) -> bytes | None:
        """Wrap a sealed secret's data key with the first key-encryption key; return None where it already is."""
        parts = _parse(sealed)
        if parts.kek_id == self._first:
            return None
        return self._wrap(self._unwrap(parts)) + parts.body

    def sentinel(self) -> bytes:
        """Seal a known text: stored at the first start, it shows every later one whether the keys are right."""
        return self.seal(Secret(_SENTINEL), _SENTINEL_PURPOSE)

    def check_sentinel(self, sealed: bytes) -> None:
        """Open the sentinel; raise Fault `keyring-wrong`, which names the key that is needed and those that we have."""
        self.unseal(sealed, _SENTINEL_PURPOSE)

    def _wrap(self, data_key: Secret) -> bytes:
        header = _header(self._first)
        return header + _encrypt(self._ciphers[self._first], data_key, header)

    def _unwrap(self, parts: _Sealed) -> Secret:
        cipher = self._ciphers.get(parts.kek_id)
        if cipher is None:
            raise missing_key(parts.kek_id, self._ciphers)
        try:
            return _decrypt(cipher, parts.wrapped, _header(parts.kek_id))
        except InvalidTag as error:
            raise Fault(
                Kind.KEYRING_WRONG,
                f"LETTERHEAD_KEYS holds {_list_ids(self._ciphers)}, but its {parts.kek_id!r} is not the key of that id"
                " that sealed this secret, or the secret was altered.",
                f"Put the original key {parts.kek_id!r} back into {WHERE}.",
            ) from error


def read_key_pair(pem: str, *, is_in_use: bool) -> KeyPair:
    """Read a private key from PEM; one that is in use may have 1024 bits. Raise Fault `key-invalid`."""
    return _pair(read_private_key(pem, LEAST_IN_USE if is_in_use else SMALLEST))


def sealed_by(sealed: bytes) -> str:
    """Return the id of the key-encryption key that wraps a sealed secret.

    Raise Fault `keyring-wrong` for a bad form.
    """
    return _parse(sealed).kek_id


def missing_key(kek_id: str, have: Iterable[str]) -> Fault:
    """Return the Fault for a secret whose key-encryption key is missing."""
    return Fault(
        Kind.KEYRING_WRONG,
        f"A secret is sealed with key-encryption key {kek_id!r}, and LETTERHEAD_KEYS holds only {_list_ids(have)}.",
        f"Put key {kek_id!r} back, after the first, into {WHERE}.",
    )


def make_pepper() -> Secret:
    """Make the pepper of API keys' digests: made once, stored sealed."""
    return Secret(os.urandom(_KEY))


def forbid_core_dumps() -> None:
    """Keep memory, which contains private keys, out of core files; call it at the start of each process."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A core_pattern that pipes (systemd-coredump) ignores the limit: core(5). PR_SET_DUMPABLE = 4, Linux alone has it.
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(4, 0, 0, 0, 0)


def _pair(key: rsa.RSAPrivateKey) -> KeyPair:
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return KeyPair(public_key=_public_rsa(key), private_key=Secret(private))


def _public_rsa(key: rsa.RSAPrivateKey) -> str:
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(public).decode()


def _public_ed25519(key: ed25519.Ed25519PrivateKey) -> str:
    # RFC 8463 4: bare, not an SPKI
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()


def _parse(sealed: bytes) -> _Sealed:
    id_end = 2 + sealed[1] if len(sealed) > 1 else 2
    body_start = id_end + _WRAPPED
    if len(sealed) < body_start + _NONCE + _TAG or sealed[0] != VERSION or not sealed[2:id_end].isascii():
        raise Fault(
            Kind.KEYRING_WRONG,
            "A stored secret is not in the form that this version seals: it was cut short, altered, or is newer.",
            "Restore the row from a backup, or run the version that wrote it.",
        )
    return _Sealed(sealed[2:id_end].decode("ascii"), sealed[id_end:body_start], sealed[body_start:])


def _list_ids(ids: Iterable[str]) -> str:
    return ", ".join(map(repr, ids))


def _header(kek_id: str) -> bytes:
    return bytes([VERSION, len(kek_id)]) + kek_id.encode("ascii")


def _body_aad(purpose: str) -> bytes:
    return bytes([VERSION]) + purpose.encode()


# Octets of keys are never held in a variable: a traceback that prints variables must find a Secret there.


def _encrypt(cipher: AESGCM, secret: Secret, aad: bytes) -> bytes:
    nonce = os.urandom(_NONCE)
    return nonce + cipher.encrypt(nonce, reveal(secret), aad)


def _decrypt(cipher: AESGCM, text: bytes, aad: bytes) -> Secret:
    return Secret(cipher.decrypt(text[:_NONCE], text[_NONCE:], aad))
