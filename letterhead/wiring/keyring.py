"""The key-encryption keys, checked at the start against what is sealed in the database; the pepper."""

import secrets

from letterhead.adapters import aws
from letterhead.adapters.keyring import EnvelopeKeyring, make_pepper, missing_key, read_key_pair, sealed_by
from letterhead.adapters.keyring_settings import KeyEncryptionKey, KmsKey, new_key_text, parse_keys
from letterhead.config import Settings, key_text
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.ports.store.secrets import InstallationSecrets

__all__ = ["installation", "kept_by_kms", "open_keyring", "pepper", "read_key_pair"]

SENTINEL, PEPPER, INSTALLATION = "sentinel", "pepper", "installation"


async def open_keyring(settings: Settings, store: InstallationSecrets) -> EnvelopeKeyring:
    """Open the keyring; refuse keys that do not open what is in the database, before anything is written to it.

    Faults: `config-invalid`, `keyring-wrong`, `unreachable` where AWS KMS keeps a key and can't be asked.
    """
    sentinel = await store.installation_secret(SENTINEL)
    make = new_key_text if sentinel is None else None
    sources = parse_keys(reveal(key_text(settings, make)).decode())
    keys: dict[str, KeyEncryptionKey] = {}
    for source in sources:
        key = await _open_kms_key(source, store, make=False) if isinstance(source, KmsKey) else source
        if key is not None:
            keys[source.id] = key
    if sentinel is not None:
        needed, ids = sealed_by(sentinel), [source.id for source in sources]
        if needed not in ids:
            raise missing_key(needed, ids)
        if needed not in keys:
            raise Fault(
                Kind.KEYRING_WRONG,
                f"The database is sealed with the key-encryption key {needed!r}, and holds nothing of it that AWS KMS "
                "could open: that row is gone from the vault, or the key was another one before.",
                f"Restore the row from a backup, or put the key {needed!r} back as it was.",
            )
        EnvelopeKeyring(list(keys.values())).check_sentinel(sentinel)
    for source in sources:
        if isinstance(source, KmsKey) and source.id not in keys:
            key = await _open_kms_key(source, store, make=True)
            assert key is not None  # noqa: S101 made just now
            keys[source.id] = key
    keyring = EnvelopeKeyring([keys[source.id] for source in sources])
    if sentinel is None:
        sentinel = await store.installation_secret(SENTINEL, keyring.sentinel())
    assert sentinel is not None  # noqa: S101 just kept
    keyring.check_sentinel(sentinel)
    return keyring


def kept_by_kms(settings: Settings) -> list[str]:
    """Return the keys that AWS KMS keeps, each as its id and ARN for people; raise as `key_text` does."""
    sources = parse_keys(reveal(key_text(settings, None)).decode())
    return [f"{source.id!r} by {source.arn}" for source in sources if isinstance(source, KmsKey)]


async def _open_kms_key(source: KmsKey, store: InstallationSecrets, *, make: bool) -> KeyEncryptionKey | None:
    """Open a key that AWS KMS keeps; where there is none yet have KMS make it, or return None.

    Of several processes that make it at once, the first to store its key decides.
    """
    place = f"kek|{source.id}"
    blob = await store.installation_secret(place)
    if blob is None and not make:
        return None
    aws.require(f"LETTERHEAD_KEYS has AWS KMS keep {source.id!r}")
    from letterhead.adapters import kms  # here, since it needs Amazon's client

    # Binds the key to its id in this installation; CloudTrail shows it with each use.
    context = {"letterhead:installation": await installation(store), "letterhead:key": source.id}
    if blob is None:
        blob = await store.installation_secret(place, await kms.make_key(source, context))
    assert blob is not None  # noqa: S101 just kept
    return await kms.open_key(source, blob, context)


async def pepper(keyring: EnvelopeKeyring, store: InstallationSecrets) -> Secret:
    """Return the pepper of the API keys' digests, made at the first start and sealed like every secret."""
    sealed = await store.installation_secret(PEPPER)
    if sealed is None:
        sealed = await store.installation_secret(PEPPER, keyring.seal(make_pepper(), PEPPER))
    assert sealed is not None  # noqa: S101 just kept
    return keyring.unseal(sealed, PEPPER)


async def installation(store: InstallationSecrets) -> str:
    """Return this installation's name, which the owner tags at the provider carry; made at the first start."""
    name = await store.installation_secret(INSTALLATION) or await store.installation_secret(
        INSTALLATION, secrets.token_hex(6).encode()
    )
    assert name is not None  # noqa: S101 just kept
    return name.decode()
