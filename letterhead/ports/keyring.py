"""Keys: made, and sealed at rest."""

from typing import Protocol

import msgspec

from letterhead.core.secret import Secret


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one key: `public_key` is what `p=` of its DKIM record says, `private_key` the PKCS#8 DER.

    The former is base64 of an RSA key's SPKI DER (RFC 6376 3.6.1), of the 32 octets of an Ed25519 key (RFC 8463 4).
    """

    public_key: str
    private_key: Secret


class Keyring(Protocol):
    """Makes keys and keeps them sealed at rest."""

    def make_pair(self) -> KeyPair:
        """Makes an RSA-2048 key; takes some 50 ms of CPU, so call it in a thread."""
        ...

    def make_ed25519(self) -> KeyPair:
        """Makes an Ed25519 key, in no time."""
        ...

    def read_pem(self, pem: str) -> KeyPair:
        """Reads a customer's own private key (PKCS#1 or PKCS#8 PEM); Fault `key-invalid` names the problem."""
        ...

    def seal(self, secret: Secret, purpose: str) -> bytes:
        """Encrypts a secret bound to its purpose (`purpose|account|domain|selector`): elsewhere it does not open."""
        ...

    def unseal(self, sealed: bytes, purpose: str) -> Secret:
        """Decrypts what `seal` made for the same purpose; Fault `keyring-wrong` where it does not open."""
        ...

    def rewrap(self, sealed: bytes) -> bytes | None:
        """Wraps a sealed secret's data key with the first key-encryption key; nothing where it is so already."""
        ...


class PooledKey(msgspec.Struct, frozen=True, kw_only=True):
    """Holds a key made ahead: `sealed` opens for the purpose `pool|<id>`."""

    id: str
    public_key: str
    sealed: bytes
