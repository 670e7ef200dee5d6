"""The recipient key of an installation: X25519, derived from its pepper, and HPKE (RFC 9180) to seal to it.

Private half: HKDF-SHA256 of the pepper, without salt, with `DERIVED`. The pepper is stored sealed, so that no further
secret is kept, and the key stays the same for as long as the installation. Suite: base mode, DHKEM(X25519,
HKDF-SHA256), HKDF-SHA256, ChaCha20Poly1305; info is `SEALED` and the purpose, aad is empty; a sealed secret is `enc`
(32 octets) and the ciphertext.
"""

import base64
import binascii
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind

PREFIX: Final = "lhr_"
DERIVED: Final = b"letterhead import recipient v1"
SEALED: Final = b"letterhead account archive v1|"
OCTETS: Final = 32
SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)


class HpkeSealer:
    """The implementation of `RecipientSealer`."""

    def __init__(self, text: str) -> None:
        """Read the public half; raise Fault `config-invalid`."""
        try:
            octets = base64.b64decode(text.removeprefix(PREFIX) + "=", altchars=b"-_", validate=True)
            if not text.startswith(PREFIX) or len(octets) != OCTETS:
                raise ValueError(text)
        except (binascii.Error, ValueError) as error:
            raise Fault(
                Kind.CONFIG_INVALID,
                f"{text[:60]!r} is no recipient: it has not the form {PREFIX}… with 43 characters after it.",
                "Take the whole line that `letterhead import recipient` prints on the installation that imports.",
            ) from error
        self._key = X25519PublicKey.from_public_bytes(octets)

    def seal(self, secret: Secret, purpose: str) -> bytes:
        """Encrypt a secret for its purpose."""
        return SUITE.encrypt(reveal(secret), self._key, SEALED + purpose.encode())


class HpkeRecipient:
    """The implementation of `RecipientKey`."""

    def __init__(self, pepper: Secret) -> None:
        derivation = HKDF(algorithm=SHA256(), length=OCTETS, salt=None, info=DERIVED)
        self._key = X25519PrivateKey.from_private_bytes(derivation.derive(reveal(pepper)))

    @property
    def public_text(self) -> str:
        """The public half, as it is handed to who exports."""
        return PREFIX + base64.urlsafe_b64encode(self._key.public_key().public_bytes_raw()).rstrip(b"=").decode()

    def unseal(self, sealed: bytes, purpose: str) -> Secret:
        """Decrypt what was sealed to this key; raise Fault `archive-invalid` where it does not open."""
        try:
            return Secret(SUITE.decrypt(sealed, self._key, SEALED + purpose.encode()))
        except (InvalidTag, ValueError) as error:
            raise Fault(
                Kind.ARCHIVE_INVALID,
                f"A secret in the file does not open for {purpose!r}: it was altered, or sealed to another recipient.",
                "Export again, for the recipient that `letterhead import recipient` prints here.",
            ) from error
