"""Sealed secrets of every table, listed and replaced so that each can be wrapped again."""

from typing import Final

from letterhead.adapters.storage.engine import Engine
from letterhead.ports.store.secrets import SealedSecret

# A new table with sealed secrets gets a line here, and its two statements in sql/secrets.sql.
PLACES: Final = (
    "alert_channels", "dns_credentials", "domain_keys", "key_pool", "spare_keys", "vault", "webhooks",
    "webhooks_before",
)  # fmt: skip


class SqlSecrets:
    """The SQL implementation of `SecretStore`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def sealed_secrets(self, after: tuple[str, str], limit: int) -> list[SealedSecret]:
        """Return sealed secrets of every table in the order of place and key, after `after`; start with `("", "")`."""
        found: list[SealedSecret] = []
        for place in (each for each in PLACES if each >= after[0]):
            behind = after[1] if place == after[0] else ""
            rows = await self._engine.read(f"sealed_in_{place}", after=behind, limit=limit - len(found))
            found += [SealedSecret(place=place, key=row["key"], sealed=row["sealed"]) for row in rows]
            if len(found) >= limit:
                break
        return found

    async def reseal(self, secret: SealedSecret, sealed: bytes) -> bool:
        """Replace a sealed secret; return false, with nothing written, where it has been changed or deleted since."""
        rows = await self._engine.write(f"reseal_{secret.place}", key=secret.key, before=secret.sealed, sealed=sealed)
        return bool(rows)
