"""The setting LETTERHEAD_KEYS: key-encryption keys, and keys of AWS KMS that encrypt some of them."""

import base64
import binascii
import os
import re
from dataclasses import dataclass
from typing import Final

from letterhead.core.secret import Secret
from letterhead.errors import Fault, Kind

KEY_OCTETS: Final = 32
WHERE: Final = "LETTERHEAD_KEYS (or the file `keys` in the data folder)"
_KMS: Final = "kms:"  # no base64 begins so
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
_ARN: Final = re.compile(
    r"arn:(?:aws|aws-cn|aws-us-gov):kms:(?P<region>[a-z]{2,3}(?:-[a-z]+)+-\d{1,2}):\d{12}"
    r":(?:key/[A-Za-z0-9-]{1,128}|alias/[A-Za-z0-9/_-]{1,250})"
)
_FIX: Final = (
    "Write LETTERHEAD_KEYS=id:key, as in LETTERHEAD_KEYS=k1:<output of `openssl rand -base64 32`>, or "
    "LETTERHEAD_KEYS=k1:kms:<ARN of a key of AWS KMS>; several with a comma between, of which the first seals and all "
    "open."
)


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """One key-encryption key of 32 octets, and the id by which sealed secrets name it."""

    id: str
    secret: Secret


@dataclass(frozen=True, slots=True)
class KmsKey:
    """The key of AWS KMS, or its alias, that encrypts the key-encryption key of this id."""

    id: str
    arn: str
    region: str


KeySource = KeyEncryptionKey | KmsKey


def parse_keys(text: str) -> tuple[KeySource, ...]:
    """Parse `id:base64` and `id:kms:ARN`, separated by commas.

    Raise Fault `config-invalid`, which names the problem and never the key.
    """
    entries = [entry.strip() for entry in text.strip().rstrip(",").split(",")]
    sources = tuple(_parse_entry(entry, place) for place, entry in enumerate(entries, 1))
    ids = [source.id for source in sources]
    for kek_id in ids:
        if ids.count(kek_id) > 1:
            raise _fault(f"two keys have the id {kek_id!r}; sealed secrets name their key by it")
    return sources


def new_key_text() -> str:
    """Make a key-encryption key in the form of LETTERHEAD_KEYS, with a random id, so that two keys never share one."""
    return f"k{os.urandom(4).hex()}:{base64.b64encode(os.urandom(KEY_OCTETS)).decode()}"


def _parse_entry(entry: str, place: int) -> KeySource:
    kek_id, colon, rest = entry.partition(":")
    if not entry:
        raise _fault(f"entry {place} is empty")
    if not colon:
        raise _fault(f"entry {place} has no colon between id and key")
    if not _ID.fullmatch(kek_id):  # not shown: it may be the key itself
        raise _fault(f"the id of entry {place} is not 1 to 32 letters, digits, hyphens or underscores")
    if rest.startswith(_KMS):
        arn = rest.removeprefix(_KMS)
        match = _ARN.fullmatch(arn)
        if match is None:
            form = "arn:aws:kms:eu-west-1:123456789012:key/… or …:alias/…"
            raise _fault(f"what follows kms: in key {kek_id!r} is not the ARN of a key of AWS KMS, as in {form}")
        return KmsKey(kek_id, arn, match["region"])
    try:
        octets = base64.b64decode(rest, validate=True)
    except binascii.Error:
        raise _fault(f"key {kek_id!r} is not base64") from None
    if len(octets) != KEY_OCTETS:
        raise _fault(f"key {kek_id!r} has {len(octets)} octets, and {KEY_OCTETS} are needed")
    return KeyEncryptionKey(kek_id, Secret(octets))


def _fault(problem: str) -> Fault:
    return Fault(Kind.CONFIG_INVALID, f"LETTERHEAD_KEYS is not right: {problem}.", _FIX)
