"""DKIM signatures by a domain's private key; `core.dkim.signing` chooses the fields that are signed."""

import hashlib
import sys
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from letterhead.core.dkim.signature import head_octets
from letterhead.core.dkim.signing import new_signature, signed_field
from letterhead.core.message.message import parse_message
from letterhead.core.secret import Secret, reveal


class DkimSigner:
    """A signer by RSA-SHA256 or Ed25519-SHA256, as the key is (implements `ports.relay.MessageSigner`)."""

    def sign(self, content: bytes, domain: str, selector: str, private_key: Secret, at: datetime) -> bytes:
        """Return the message with a DKIM signature before it; `private_key` is PKCS #8."""
        # Its primes were checked when it was made or imported, and it is sealed since; to do so again takes 35 ms.
        key = load_der_private_key(reveal(private_key), None, unsafe_skip_rsa_key_validation=True)
        # A signer must see every field that a receiver may see.
        message = parse_message(content, most_fields=sys.maxsize)
        match key:
            case rsa.RSAPrivateKey():
                signature = new_signature(message, domain, selector, "rsa-sha256", at)
                octets = key.sign(head_octets(message, signature), padding.PKCS1v15(), SHA256())
            case ed25519.Ed25519PrivateKey():
                signature = new_signature(message, domain, selector, "ed25519-sha256", at)
                # RFC 8463 3: the hash is what is signed
                octets = key.sign(hashlib.sha256(head_octets(message, signature)).digest())
            case _:
                raise TypeError("no mail is signed with such a key")
        return signed_field(signature, octets) + content
