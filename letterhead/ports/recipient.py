"""Secrets sealed to the installation that imports them (RFC 9180)."""

from collections.abc import Callable
from typing import Protocol

from letterhead.core.secret import Secret


class RecipientSealer(Protocol):
    """The recipient key of another installation, to which secrets are sealed."""

    def seal(self, secret: Secret, purpose: str) -> bytes:
        """Encrypt a secret for its purpose; only the recipient opens it, and for no other purpose."""
        ...


class RecipientKey(Protocol):
    """The recipient key of this installation."""

    @property
    def public_text(self) -> str:
        """The public half, as it is handed to who exports."""
        ...

    def unseal(self, sealed: bytes, purpose: str) -> Secret:
        """Decrypt what was sealed to this key; raise Fault `archive-invalid` where it does not open."""
        ...


NewSealer = Callable[[str], RecipientSealer]  # reads a recipient's text; Fault `config-invalid` where it is none
