"""Sealed secrets of every table, and the secrets of the installation."""

from typing import Protocol

import msgspec


class SealedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """One sealed secret; `place` (a table, or a column of one) and `key` identify it."""

    place: str
    key: str
    sealed: bytes


class InstallationSecrets(Protocol):
    """The secrets of the installation, by name."""

    async def installation_secret(self, name: str, blob: bytes | None = None) -> bytes | None:
        """Return a named sealed secret of the installation; given a blob, store it first if there is none yet."""
        ...


class SecretStore(InstallationSecrets, Protocol):
    """Sealed secrets of every table, and the secrets of the installation."""

    async def sealed_secrets(self, after: tuple[str, str], limit: int) -> list[SealedSecret]:
        """Return sealed secrets of every table in the order of place and key, after `after`; start with `("", "")`."""
        ...

    async def reseal(self, secret: SealedSecret, sealed: bytes) -> bool:
        """Replace a sealed secret; return false, with nothing written, where it has been changed or deleted since."""
        ...

    async def installation_secret_names(self, prefix: str) -> list[str]:
        """List the names of the installation's secrets that begin with a prefix, sorted."""
        ...

    async def delete_installation_secret(self, name: str) -> bool:
        """Delete a secret of the installation; return false where there is none with this name."""
        ...
