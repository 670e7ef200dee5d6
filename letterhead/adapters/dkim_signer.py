"""Knows how a message is signed with dkimpy (RFC 6376); knows neither whose the key is nor where it is kept.

Canonicalisation is relaxed for header and body, so that a server on the way may fold lines anew. Fields that readers
act on are signed once more than they are there (RFC 6376 5.4.2, 8.15): nobody can add another From or Subject.
"""

import base64
from collections import Counter

import dkim

from letterhead.core.secret import Secret, reveal

# Signed once more than they are there, none being there included.
ALWAYS = ("from", "to", "cc", "subject", "date", "message-id", "reply-to", "in-reply-to", "references")
# Signed once more than they are there, where they are: a server on the way may have reason to add the first of them.
WHERE_THERE = (
    *("sender", "mime-version", "content-type", "content-transfer-encoding"),
    *("list-id", "list-unsubscribe", "list-unsubscribe-post"),  # RFC 8058 4: one-click needs them signed
)
# Signed as they are: mailing lists and resenders put more of them before.
AS_THEY_ARE = (
    *("resent-date", "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-message-id"),
    *("list-help", "list-subscribe", "list-post", "list-owner", "list-archive"),
    *("content-id", "content-description", "auto-submitted"),
)


class DkimSigner:
    """Signs with RSA-SHA256 (implements `ports.Signer`)."""

    def sign(self, content: bytes, domain: str, selector: str, private_key: Secret) -> bytes:
        """Gives the message with a DKIM signature before it."""
        signing = dkim.DKIM(content)
        there = Counter(name.lower().decode("ascii") for name, _ in signing.headers)
        head: bytes = signing.sign(
            selector.encode(),
            domain.encode(),
            _pem(private_key),
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=[name.encode() for name in _signed(there)],
        )
        return head + content


def _signed(there: Counter[str]) -> list[str]:
    """Names the fields to sign, each as often as it is signed."""
    names = [name for name in ALWAYS for _ in range(there[name] + 1)]
    names += [name for name in WHERE_THERE if there[name] for _ in range(there[name] + 1)]
    return names + [name for name in AS_THEY_ARE for _ in range(there[name])]


def _pem(private_key: Secret) -> bytes:
    """Writes PKCS #8 as PEM, the one form in which dkimpy takes a key."""
    return b"-----BEGIN PRIVATE KEY-----\n" + base64.b64encode(reveal(private_key)) + b"\n-----END PRIVATE KEY-----\n"
