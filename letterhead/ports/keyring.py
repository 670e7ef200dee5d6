"""Key pairs, and secrets sealed at rest."""

from typing import Protocol

import msgspec

from letterhead.core.secret import Secret


class KeyPair(msgspec.Struct, frozen=True, kw_only=True):
    """One key pair: `public_key` is the value of `p=` in its DKIM record, `private_key` the PKCS#8 DER.

    `public_key` is base64 of an RSA key's SPKI DER (RFC 6376 3.6.1), or of the 32 octets of an Ed25519 key
    (RFC 8463 4).
    """

    public_key: str
    private_key: Secret


class Keyring(Protocol):
    """The key-encryption keys of the installation, and the maker of key pairs."""

    def make_pair(self) -> KeyPair:
        """Make an RSA-2048 key; it takes some 50 ms of CPU, so call it in a thread."""
        ...

    def make_ed25519(self) -> KeyPair:
        """Make an Ed25519 key, in no time."""
        ...

    def read_pem(self, pem: str, *, is_in_use: bool = False) -> KeyPair:
        """Read a customer's own private key (PKCS#1 or PKCS#8 PEM); one that is in use may have 1024 to 2047 bits.

        Raise Fault `key-invalid` that names the problem.
        """
        ...

    def seal(self, secret: Secret, purpose: str) -> bytes:
        """Encrypt a secret bound to its purpose (`purpose|account|domain|selector`): for no other does it open."""
        ...

    def unseal(self, sealed: bytes, purpose: str) -> Secret:
        """Decrypt what `seal` made for the same purpose; raise Fault `keyring-wrong` where it does not open."""
        ...

    @property
    def key_ids(self) -> tuple[str, ...]:
        """The ids of the key-encryption keys that we have."""
        ...

    def sealed_by(self, sealed: bytes) -> str:
        """Return the id of the key-encryption key that a secret is sealed with; raise Fault `keyring-wrong`."""
        ...

    def public_key(self, private_key: Secret) -> str:
        """Return the public key of a key of our own (PKCS#8 DER) as `KeyPair` has it."""
        ...

    def sign_rs256(self, private_key: Secret, octets: bytes) -> str:
        """Sign octets with an RSA key of our own (RFC 7518 3.3: RSASSA-PKCS1-v1_5 with SHA-256); return base64."""
        ...

    def rewrap(self, sealed: bytes) -> bytes | None:
        """Wrap a sealed secret's data key with the first key-encryption key; return None where it already is."""
        ...


class PooledKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key made ahead: `sealed` opens for the purpose `pool|<id>`."""

    id: str
    public_key: str
    sealed: bytes
