"""Sealed secrets, wherever they are kept, and the secrets of the installation."""

from typing import Protocol

import msgspec


class SealedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """Holds one sealed secret, wherever it is kept: `place` and `key` find it again."""

    place: str
    key: str
    sealed: bytes


class SecretStore(Protocol):
    """Sealed secrets, wherever they are kept, and the secrets of the installation."""

    async def sealed_secrets(self, after: tuple[str, str], limit: int) -> list[SealedSecret]:
        """Lists sealed secrets of every kind in the order of place and key, behind `after`; `("", "")` begins."""
        ...

    async def reseal(self, secret: SealedSecret, sealed: bytes) -> bool:
        """Keeps a secret sealed otherwise; false, with nothing written, where it has changed or gone since."""
        ...

    async def installation_secret(self, name: str, blob: bytes | None = None) -> bytes | None:
        """Reads a named sealed secret of the installation; given a blob, keeps it if there is none yet."""
        ...
