"""Sealed secrets in rows as they are stored: what each is sealed for, and whether it opens."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.errors import Fault
from letterhead.operations.domain_keys import key_purpose
from letterhead.ports.keyring import Keyring
from letterhead.ports.store.tables import StoredRow, StoredTable

SHOWN: Final = 20  # damaged secrets that are named

Record = Mapping[str, Any]


class SealedCell(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed secret in a row, what it is sealed for, and the public key that it belongs to, where that is known."""

    sealed: bytes
    purpose: str
    place: str
    public_key: str = ""


class KeyOwners:
    """The domains whose rows were seen, as far as their keys need them."""

    def __init__(self) -> None:
        self._domains: dict[str, Domain] = {}
        self._decoder = msgspec.json.Decoder(Domain)

    def add(self, record: Record) -> None:
        """Remember the domain of a row of `domains`; the keys of one that can't be read do not open."""
        try:
            domain = self._decoder.decode(str(record["life"]))
        except msgspec.DecodeError:
            return
        self._domains[domain.id] = replace(
            domain, verdicts=(), published=(), raised=(), identity=None, tokens=(), mail_from_health=None
        )

    def key_of(self, record: Record, sealed: bytes) -> SealedCell:
        """Return the sealed key of a row of `domain_keys` or `spare_keys`."""
        domain = self._domains.get(str(record["domain_id"]))
        if domain is None:
            return SealedCell(
                sealed=sealed, purpose="", place=f"a key of the domain {record['domain_id']}, which is unreadable"
            )
        selector = str(record["selector"] or domain.selector)
        return SealedCell(
            sealed=sealed,
            purpose=key_purpose(domain, selector),
            place=f"the key {selector}._domainkey.{domain.sender} of {domain.account_id}",
            public_key=public_keys(domain).get(selector, ""),
        )


def public_keys(domain: Domain) -> dict[str, str]:
    """Return the public keys of a domain by selector, as far as they are known."""
    keys = {each.selector: each.public_key for each in domain.old_keys}
    if domain.rotation is not None:
        keys[domain.rotation.selector] = domain.rotation.public_key
        if domain.rotation.ed25519 is not None:
            keys[domain.rotation.ed25519.selector] = domain.rotation.ed25519.public_key
    if domain.ed25519 is not None:
        keys[domain.ed25519.selector] = domain.ed25519.public_key
    keys[domain.selector] = domain.public_key
    return keys


def _in_vault(record: Record, sealed: bytes, _: KeyOwners) -> SealedCell | None:
    name = str(record["name"])
    # The name of the installation is no secret, and what AWS KMS has encrypted is opened by it alone.
    is_sealed = name != "installation" and not name.startswith("kek|")
    return SealedCell(sealed=sealed, purpose=name, place=f"the installation's {name}") if is_sealed else None


def _in_pool(record: Record, sealed: bytes, _: KeyOwners) -> SealedCell:
    place, public = f"the pooled key {record['id']}", str(record["public_key"])
    return SealedCell(sealed=sealed, purpose=f"pool|{record['id']}", place=place, public_key=public)


def _in_webhook(record: Record, sealed: bytes, _: KeyOwners) -> SealedCell:
    purpose = f"webhook|{record['account_id']}|{record['id']}"
    return SealedCell(sealed=sealed, purpose=purpose, place=f"the secret of the webhook {record['id']}")


def _in_credential(record: Record, sealed: bytes, _: KeyOwners) -> SealedCell:
    purpose = f"dns-credential|{record['account_id']}|{record['zone']}|{record['id']}"
    return SealedCell(sealed=sealed, purpose=purpose, place=f"the credential {record['id']}")


def _in_alert_channel(record: Record, sealed: bytes, _: KeyOwners) -> SealedCell:
    purpose = f"alert-channel|{record['account_id']}|{record['id']}"
    return SealedCell(sealed=sealed, purpose=purpose, place=f"the address of the alert channel {record['id']}")


def _of_domain(record: Record, sealed: bytes, owners: KeyOwners) -> SealedCell:
    return owners.key_of(record, sealed)


# Every column with sealed secrets, by table and name. A column of octets that is not here holds digests.
SEALED: Final[Mapping[tuple[str, str], Callable[[Record, bytes, KeyOwners], SealedCell | None]]] = {
    ("vault", "blob"): _in_vault,
    ("key_pool", "sealed"): _in_pool,
    ("domain_keys", "sealed"): _of_domain,
    ("spare_keys", "sealed"): _of_domain,
    ("webhooks", "sealed"): _in_webhook,
    ("webhooks", "old_sealed"): _in_webhook,
    ("dns_credentials", "sealed"): _in_credential,
    ("alert_channels", "sealed"): _in_alert_channel,
}


def holds_secrets(table: StoredTable) -> bool:
    """Tell whether a table has sealed secrets, or the domains that they are of."""
    return table.name == "domains" or any((table.name, column) in SEALED for column in table.columns)


def sealed_cells(owners: KeyOwners, table: StoredTable, rows: Sequence[StoredRow]) -> Iterator[SealedCell]:
    """Return the sealed secrets of rows; those of `domains` must have been seen before those of its keys."""
    if not holds_secrets(table):
        return
    columns = [column for column in table.columns if (table.name, column) in SEALED]
    for record in table.records(rows):
        if table.name == "domains":
            owners.add(record)
        for column in columns:
            sealed = record[column]
            if isinstance(sealed, bytes) and (cell := SEALED[table.name, column](record, sealed, owners)):
                yield cell


class SecretCheck:
    """Opens every sealed secret of the rows that it is shown, and counts them."""

    def __init__(self, keyring: Keyring) -> None:
        self.opened, self.damaged = 0, list[str]()
        self.used, self.missing = set[str](), set[str]()
        self._keyring, self._owners = keyring, KeyOwners()

    def look_at(self, table: StoredTable, rows: Sequence[StoredRow]) -> None:
        """Open the secrets of some rows, and compare each private key with its public key."""
        for cell in sealed_cells(self._owners, table, rows):
            try:
                kek_id = self._keyring.sealed_by(cell.sealed)
                self.used.add(kek_id)
                if kek_id not in self._keyring.key_ids:
                    self.missing.add(kek_id)
                    continue
                secret = self._keyring.unseal(cell.sealed, cell.purpose)
            except Fault as fault:
                self.damaged.append(f"{cell.place}: {fault.detail}")
                continue
            if cell.public_key and self._keyring.public_key(secret) != cell.public_key:
                self.damaged.append(f"{cell.place}: the private key is not that of the public key.")
            self.opened += 1
