"""What an account keeps of its own about a domain: a note, labels, and the person to whom its reminders go."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts.accounts import parse_email
from letterhead.core.languages.negotiation import known_language
from letterhead.errors import Fault, Kind

NOTE_LIMIT: Final = 1000  # characters
MOST_LABELS: Final = 16
KEY_LIMIT, VALUE_LIMIT = 32, 64  # characters
_KEY: Final = re.compile(rf"[a-z0-9](?:[a-z0-9._/-]{{0,{KEY_LIMIT - 2}}}[a-z0-9])?", re.ASCII)
_UNWRITABLE: Final = frozenset(("Cc", "Cs", "Zl", "Zp"))
# UAX 9: they reorder what follows.
_TURNING: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """The person to whom a domain's reminders go, once the address was confirmed (`confirmed_at`).

    `asked_at` is when it was set; `reminders` is false once the person has ended them. `language` is that of all mail
    to them: the one that was set, and since the confirmation the one in which they confirmed. None: English, and the
    page of the confirmation asks the browser.
    """

    email: str
    asked_at: datetime
    confirmed_at: datetime | None = None
    reminders: bool = True
    language: str | None = None

    @property
    def is_mailed(self) -> bool:
        """Whether reminders go to this address."""
        return self.confirmed_at is not None and self.reminders


class DomainProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What an account keeps about one of its domains; `copy_account` says whether it gets what its contact gets."""

    note: str = ""
    labels: dict[str, str] = {}
    contact: Contact | None = None
    copy_account: bool = True


def arriving_profile(profile: DomainProfile) -> DomainProfile:
    """Return a profile that comes from another installation: read anew, and its contact not confirmed here.

    Faults: `note-invalid`, `label-invalid`, `parameter-invalid` for the contact's address.
    """
    contact = profile.contact
    return replace(
        profile,
        note=parse_note(profile.note),
        labels=change_labels({}, profile.labels),
        contact=contact
        and replace(
            contact,
            email=parse_email(contact.email),
            confirmed_at=None,
            language=known_language(contact.language),
        ),
    )


def parse_note(text: str) -> str:
    """Parse a note of one or more lines; Fault `note-invalid`."""
    note = unicodedata.normalize("NFC", text.replace("\r\n", "\n")).strip()
    if len(note) > NOTE_LIMIT:
        raise Fault(
            Kind.NOTE_INVALID,
            f"The note has {len(note)} characters, more than {NOTE_LIMIT}.",
            f"Shorten it to {NOTE_LIMIT} characters, and put the address of a longer text into it.",
        )
    for sign in note:
        if sign not in "\n\t" and (sign in _TURNING or unicodedata.category(sign) in _UNWRITABLE):
            raise Fault(
                Kind.NOTE_INVALID,
                f"The note holds the character U+{ord(sign):04X}, which can't be shown.",
                "Write it as plain text, in as many lines as you like.",
            )
    return note


def parse_label(text: str) -> tuple[str, str]:
    """Parse a label of the form `key:value`; Fault `label-invalid`."""
    key, colon, value = text.partition(":")
    if not colon:
        raise _invalid_label(f"The label {text[:80]!r} has no colon.", "Write it as key:value, for example team:web.")
    return parse_key(key), parse_value(key, value)


def parse_labels(texts: Iterable[str]) -> tuple[str, ...]:
    """Parse labels of the form `key:value` and return them so, each once; Fault `label-invalid`."""
    return tuple(dict.fromkeys(":".join(parse_label(each)) for each in texts))


def parse_key(key: str) -> str:
    """Parse the key of a label; Fault `label-invalid`."""
    if _KEY.fullmatch(key):
        return key
    raise _invalid_label(
        f"{key[:80]!r} is no key of a label.",
        f"Write 1 to {KEY_LIMIT} characters of a-z, 0-9, '.', '_', '/' and '-', the first and the last a letter or "
        "a digit.",
    )


def parse_value(key: str, value: str) -> str:
    """Parse the value of a label; Fault `label-invalid`."""
    composed = unicodedata.normalize("NFC", value)  # so that a filter finds it, however it was typed
    if 0 < len(composed) <= VALUE_LIMIT and composed.isprintable() and composed == composed.strip():
        return composed
    raise _invalid_label(
        f"The value of the label {key[:KEY_LIMIT]!r} is {value[:80]!r}, which can't be one.",
        f"Write 1 to {VALUE_LIMIT} characters in one line, without a space at either end; null removes the label.",
    )


def change_labels(present: Mapping[str, str], changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return labels with some set and some removed, those that are None (RFC 7396); Fault `label-invalid`."""
    removed = {key for key, value in changes.items() if value is None}
    given = {parse_key(key): parse_value(key, value) for key, value in changes.items() if value is not None}
    labels = {key: value for key, value in sorted({**present, **given}.items()) if key not in removed}
    if len(labels) > MOST_LABELS:
        raise _invalid_label(
            f"The domain would have {len(labels)} labels, more than {MOST_LABELS}.",
            "Remove some: set them to null in the same request.",
        )
    return labels


def _invalid_label(detail: str, fix: str) -> Fault:
    return Fault(Kind.LABEL_INVALID, detail, fix)
