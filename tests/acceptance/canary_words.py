"""What an account says of itself, in words that stand nowhere else, and where these may: docs/threat-model.md.

Words that are kept for the account are in its own answers and pages, the operator's, and the database. Secrets are in
the one answer or mail that hands them over, and sealed or as a digest in the database.
"""

import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tests.rigs.openid import ACCESS_TOKEN, SECRET
from tests.rigs.smtp import Taken

Seen = Mapping[str, Iterable[bytes]]
OWN = frozenset({"stored while running", "stored", "backup", "answers", "dashboard", "command"})
PEOPLE = OWN | {"audit"}
PLACES: Mapping[str, frozenset[str]] = {
    "note": OWN,
    "label": OWN,
    "label-key": OWN,
    "contact": OWN | {"mails", "mailed pages"},
    "reason": OWN,
    "channel": OWN,
    "note of a deleted domain": frozenset({"answers"}),
    "mailbox that was asked for": frozenset(),
    "recipient of a link": (OWN - {"command"}) | {"audit", "mails"},
    "networks": OWN | {"audit"},
    "member": PEOPLE | {"mails", "mailed pages"},
    "invited": PEOPLE | {"mails"},
    "subject": PEOPLE | {"logs"},
    "claim that nobody asked for": frozenset(),
    "group": PEOPLE,
}
NETWORKS = "198.51.100.192/27"
LINK = re.compile(r"https?://[^\s<>\"/]+(/(?:setup|account/address|reminders/opt-out|invitation)/[A-Za-z0-9_.~-]{20,})")


def new_word() -> str:
    """Make a word that stands nowhere else, and that no way of writing changes."""
    return "q" + secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class Word:
    """A word, what it is of, and where it stands: there it must be found, and nowhere else."""

    of: str
    text: str
    places: frozenset[str]

    def found(self, seen: Seen) -> frozenset[str]:
        """Name the places where it stands."""
        text = self.text.encode()
        return frozenset(place for place, octets in seen.items() if any(text in each for each in octets))


@dataclass(slots=True)
class Words:
    """One text for each of `PLACES`, and the secrets that came to be while they were used."""

    texts: dict[str, str] = field(default_factory=lambda: {of: new_word() for of in PLACES} | {"networks": NETWORKS})
    keys: list[str] = field(default_factory=list)  # of the API
    alert_secrets: list[str] = field(default_factory=lambda: [new_word() for _ in range(6)])
    openid_secrets: tuple[str, ...] = (SECRET, ACCESS_TOKEN)
    opened: dict[str, str] = field(default_factory=dict)  # tokens of links, and where the page of each was remembered

    def __getitem__(self, of: str) -> str:
        """Return a text by what it is of."""
        return self.texts[of]

    @property
    def secrets(self) -> list[str]:
        """Return what is handed over once, or never."""
        return [*self.keys, *self.alert_secrets, *self.openid_secrets]

    def everywhere(self, mails: Iterable[Taken]) -> list[Word]:
        """Return every word, those of links in mails too."""
        given = [Word(of, text, PLACES[of]) for of, text in self.texts.items()]
        hidden = [Word("secret", each, frozenset()) for each in self.secrets]
        links = [path.rpartition("/") for path in links_in(mails)]
        assert self.opened.keys() <= {token for *_, token in links}
        mailed = [
            Word(f"mailed {kind}", token, frozenset({"mails", self.opened.get(token, "mails")}))
            for kind, _, token in links
        ]
        return [*given, *hidden, *mailed]


def links_in(mails: Iterable[Taken]) -> list[str]:
    """Return the paths of the links in mails that let in whoever has them, each once."""
    parts = (part for each in mails for part in each.message.walk() if part.get_content_maintype() == "text")
    texts = "\n".join(str(part.get_content()) for part in parts)
    return sorted({path.rstrip(".") for path in LINK.findall(texts)})
