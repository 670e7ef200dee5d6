"""What an account says of itself, each in words that stand nowhere else; and where they may stand: docs/threat-model.md.

Words that are kept for the account are in its own answers and pages, the operator's, and the database. Secrets are in
the one answer or mail that hands them over, and sealed or as a digest in the database.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.rigs.smtp import Taken

Seen = Mapping[str, Iterable[bytes]]
STORED = frozenset({"stored while running", "stored", "backup"})
OWN = STORED | {"answers", "dashboard", "command"}
TOLD = (OWN - {"command"}) | {"audit"}
LINK = re.compile(r"https?://[^\s<>\"/]+(/(?:setup|account/address|reminders/opt-out)/[A-Za-z0-9_.~-]{20,})")


def new_word() -> str:
    """Makes a word that stands nowhere else, and that no way of writing changes."""
    return "q" + secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class Word:
    """Holds a word, what it is of, and where it stands: there it must be found, and nowhere else."""

    of: str
    text: str
    places: frozenset[str]

    def found(self, seen: Seen) -> frozenset[str]:
        """Names the places where it stands."""
        text = self.text.encode()
        return frozenset(place for place, octets in seen.items() if any(text in each for each in octets))


@dataclass(slots=True)
class Words:
    """Holds one of each, and the secrets that came to be while they were used."""

    note: Word = field(default_factory=lambda: Word("note", new_word(), OWN))
    label: Word = field(default_factory=lambda: Word("label's value", new_word(), OWN))
    label_key: Word = field(default_factory=lambda: Word("label's key", new_word(), OWN))
    contact: Word = field(default_factory=lambda: Word("contact", new_word(), OWN | {"mails", "mailed pages"}))
    reason: Word = field(default_factory=lambda: Word("reason", new_word(), OWN))
    channel: Word = field(default_factory=lambda: Word("channel's name", new_word(), OWN))
    deleted: Word = field(default_factory=lambda: Word("note of a deleted domain", new_word(), frozenset({"answers"})))
    mailbox: Word = field(default_factory=lambda: Word("mailbox asked for", new_word(), frozenset()))
    sent_to: Word = field(default_factory=lambda: Word("address of a link", new_word(), TOLD | {"mails"}))
    networks: Word = field(default_factory=lambda: Word("networks", "198.51.100.192/27", OWN | {"audit"}))
    keys: list[str] = field(default_factory=list)
    alert_secrets: list[str] = field(default_factory=lambda: [new_word() for _ in range(6)])
    link: str = ""

    def everywhere(self, mails: Iterable[Taken]) -> list[Word]:
        """Gives every word, those of links in mails too."""
        given = [value for value in (getattr(self, name) for name in self.__slots__) if isinstance(value, Word)]
        hidden = [Word("API key", each, frozenset()) for each in self.keys]
        hidden += [Word("alert channel's address", each, frozenset()) for each in self.alert_secrets]
        links = [path.rpartition("/") for path in links_in(mails)]
        mailed = [Word(f"mailed {kind}", token, frozenset({"mails"})) for kind, _, token in links if token != self.link]
        return [*given, *hidden, *mailed, Word("link in German", self.link, frozenset({"mails"}))]


def links_in(mails: Iterable[Taken]) -> list[str]:
    """Gives the paths of the links in mails that let in whoever has them, each once."""
    parts = (part for each in mails for part in each.message.walk() if part.get_content_maintype() == "text")
    texts = "\n".join(str(part.get_content()) for part in parts)
    return sorted({path.rstrip(".") for path in LINK.findall(texts)})
