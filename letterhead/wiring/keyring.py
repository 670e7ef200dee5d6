"""Knows where the key-encryption keys come from, and sees at a start that what is sealed in the database opens."""

import secrets
from collections.abc import Sequence

from letterhead.adapters import aws
from letterhead.adapters.keyring import EnvelopeKeyring, make_pepper, missing_key, sealed_by
from letterhead.adapters.keyring_settings import KeyEncryptionKey, KeySource, KmsKey, new_key_text, parse_keys
from letterhead.config import Settings, key_text
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.ports.store import Store

SENTINEL, PEPPER, INSTALLATION = "sentinel", "pepper", "installation"


async def open_keyring(settings: Settings, store: Store) -> EnvelopeKeyring:
    """Opens the keyring, and refuses keys that do not open what is in the database, before anything is written to it.

    Faults: `config-invalid`, `keyring-wrong`, `unreachable` where AWS KMS keeps a key and can't be asked.
    """
    sentinel = await store.installation_secret(SENTINEL)
    make = new_key_text if sentinel is None else None
    sources = parse_keys(reveal(key_text(settings, make)).decode())
    known = [key for source in sources if (key := await _known(source, store)) is not None]
    if sentinel is not None:
        _refuse_wrong(sentinel, sources, known)
    ids = {key.id for key in known}
    made = [await _made(source, store) for source in sources if source.id not in ids and isinstance(source, KmsKey)]
    keys = {key.id: key for key in (*known, *made)}
    keyring = EnvelopeKeyring([keys[source.id] for source in sources])
    if sentinel is None:
        sentinel = await store.installation_secret(SENTINEL, keyring.sentinel())
    assert sentinel is not None  # noqa: S101 just kept
    keyring.check_sentinel(sentinel)
    return keyring


def kept_by_kms(settings: Settings) -> list[str]:
    """Names the keys that AWS KMS keeps, each with its ARN."""
    sources = parse_keys(reveal(key_text(settings, None)).decode())
    return [f"{source.id!r} by {source.arn}" for source in sources if isinstance(source, KmsKey)]


def _refuse_wrong(sentinel: bytes, sources: Sequence[KeySource], known: Sequence[KeyEncryptionKey]) -> None:
    needed, ids = sealed_by(sentinel), [source.id for source in sources]
    if needed not in ids:
        raise missing_key(needed, ids)
    if needed not in {key.id for key in known}:
        raise Fault(
            Kind.KEYRING_WRONG,
            f"The database is sealed with the key-encryption key {needed!r}, and holds nothing of it that AWS KMS could"
            " open: that row is gone from the vault, or the key was another one before.",
            f"Restore the row from a backup, or put the key {needed!r} back as it was.",
        )
    EnvelopeKeyring(known).check_sentinel(sentinel)


async def _known(source: KeySource, store: Store) -> KeyEncryptionKey | None:
    """Gives a key that is there already; nothing for one that AWS KMS is to make."""
    if isinstance(source, KeyEncryptionKey):
        return source
    blob = await store.installation_secret(_place(source))
    return None if blob is None else await _opened(source, blob, store)


async def _made(source: KmsKey, store: Store) -> KeyEncryptionKey:
    """Has KMS make a key; of several processes that start at once the first decides which one it is."""
    aws.require(f"LETTERHEAD_KEYS has AWS KMS keep {source.id!r}")
    from letterhead.adapters import kms  # here, since it wants Amazon's client

    blob = await store.installation_secret(_place(source), await kms.make_key(source, await _context(source, store)))
    assert blob is not None  # noqa: S101 just kept
    return await _opened(source, blob, store)


async def _opened(source: KmsKey, blob: bytes, store: Store) -> KeyEncryptionKey:
    aws.require(f"LETTERHEAD_KEYS has AWS KMS keep {source.id!r}")
    from letterhead.adapters import kms

    return await kms.open_key(source, blob, await _context(source, store))


def _place(source: KmsKey) -> str:
    return f"kek|{source.id}"


async def _context(source: KmsKey, store: Store) -> dict[str, str]:
    """Binds a key to its id in this installation; CloudTrail shows it with each use."""
    return {"letterhead:installation": await installation(store), "letterhead:key": source.id}


async def pepper(keyring: EnvelopeKeyring, store: Store) -> Secret:
    """Gives the pepper of the API keys' digests, made at the first start and sealed like every secret."""
    sealed = await store.installation_secret(PEPPER)
    if sealed is None:
        sealed = await store.installation_secret(PEPPER, keyring.seal(make_pepper(), PEPPER))
    assert sealed is not None  # noqa: S101 just kept
    return keyring.unseal(sealed, PEPPER)


async def installation(store: Store) -> str:
    """Names this installation, in the owner tags at the provider: made once."""
    name = await store.installation_secret(INSTALLATION) or await store.installation_secret(
        INSTALLATION, secrets.token_hex(6).encode()
    )
    assert name is not None  # noqa: S101 just kept
    return name.decode()
