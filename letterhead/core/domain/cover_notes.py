"""The DMARC policy for a name whose mail a name above it signs (RFC 9989), and what to know of it: `NOTES`."""

from collections.abc import Callable
from typing import Final

import msgspec


class CoverDmarc(msgspec.Struct, frozen=True, kw_only=True):
    """The DMARC record that receivers apply to mail from a covered name, as the cover sees it (RFC 9989).

    `host` is where it stands, None where no policy applies; `tag` is the one whose policy does (`p`, `sp`, `np`) and
    `policy` what it asks for. `is_own` is true at the name's own `_dmarc`. `same_organisation`: the name and the one
    that signs have the same organisational domain; `signer_has_record`: a record applies to the one that signs.
    `has_mail_from`: the one that signs has a verified MAIL FROM domain. Where DNS did not answer, `answered` is false.
    """

    answered: bool = True
    host: str | None = None
    policy: str = "none"
    tag: str = "p"
    is_own: bool = False
    strict_dkim: bool = False
    strict_spf: bool = False
    same_organisation: bool = True
    signer_has_record: bool = True
    has_mail_from: bool = False

    @property
    def is_aligned(self) -> bool:
        """Whether a signature of the covering name is aligned (RFC 9989 4.4), or no policy asks."""
        return self.host is None or (self.same_organisation and not self.strict_dkim)

    @property
    def may_pass_by_spf(self) -> bool:
        """Whether SPF of the MAIL FROM domain is aligned in place of the signature."""
        return self.has_mail_from and self.same_organisation and not self.strict_spf


class CoverNote(msgspec.Struct, frozen=True, kw_only=True):
    """Something to know of the DMARC policy for a covered name; `is_warning` where mail may fail by it."""

    code: str
    is_warning: bool
    text: str


class NoteRule(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the notes on DMARC; `text` has places for the `name`, the name that signs (`own`), and the record's
    `host` and `policy`."""

    code: str
    is_warning: bool
    when: str
    text: str
    matches: Callable[[CoverDmarc], bool]


# All that match are told, of a name that is covered.
NOTES: Final = (
    NoteRule(
        code="dmarc-unanswered",
        is_warning=True,
        when="DNS did not answer for the DMARC policy",
        text="DNS did not answer for the DMARC policy of {name}, so it is not known whether {own} may sign for it.",
        matches=lambda dmarc: not dmarc.answered,
    ),
    NoteRule(
        code="dmarc-strict-dkim",
        is_warning=True,
        when="the record has adkim=s",
        text="adkim=s at {host} asks for a signature of {name} itself, and {own} signs: DMARC counts SPF alone, which "
        "fails where somebody forwards the message. Add {name} as a sender domain, or write adkim=r there.",
        matches=lambda dmarc: dmarc.host is not None and dmarc.strict_dkim,
    ),
    NoteRule(
        code="dmarc-strict-spf",
        is_warning=False,
        when="the record has aspf=s",
        text="aspf=s at {host}: the MAIL FROM domain of {own} does not count for {name}, its signature alone does.",
        matches=lambda dmarc: dmarc.host is not None and dmarc.strict_spf and dmarc.is_aligned,
    ),
    NoteRule(
        code="dmarc-signer-without-record",
        is_warning=True,
        when="the name has a DMARC record, and the covering name has none at or above it",
        text="The DMARC record at {host} makes {name} an organisation of its own, since there is none at {own}: what "
        "{own} signs is not aligned. Publish a DMARC record at _dmarc.{own} too: with p=none it asks receivers to "
        "treat no other mail differently.",
        matches=lambda dmarc: dmarc.host is not None and not dmarc.same_organisation and not dmarc.signer_has_record,
    ),
    NoteRule(
        code="dmarc-other-organisation",
        is_warning=True,
        when="a record with psd=n or psd=y lies between the name and the covering name",
        text="By the tag psd of a DMARC record {name} belongs to another organisation than {own}: what {own} signs is "
        "not aligned. Add {name} as a sender domain.",
        matches=lambda dmarc: dmarc.host is not None and not dmarc.same_organisation and dmarc.signer_has_record,
    ),
    NoteRule(
        code="dmarc-own-record",
        is_warning=False,
        when="the name has a DMARC record of its own",
        text="{name} has a DMARC record of its own at {host}, and that of {own} does not count for it.",
        matches=lambda dmarc: dmarc.host is not None and dmarc.is_own,
    ),
    NoteRule(
        code="dmarc-subdomain-policy",
        is_warning=False,
        when="the policy of sp applies",
        text="The policy for {name} is {policy}, by the tag sp at {host}.",
        matches=lambda dmarc: dmarc.host is not None and dmarc.tag == "sp",
    ),
    NoteRule(
        code="dmarc-nonexistent-policy",
        is_warning=False,
        when="the name does not exist in DNS, and the policy of np applies",
        text="{name} does not exist in DNS, so its policy is {policy}, by the tag np at {host}. Many receivers refuse "
        "mail from a name that does not exist: give it an MX, an A or a TXT record.",
        matches=lambda dmarc: dmarc.host is not None and dmarc.tag == "np",
    ),
    NoteRule(
        code="dmarc-no-policy",
        is_warning=False,
        when="no DMARC policy applies",
        text="No DMARC policy applies to {name}: anybody may send as it.",
        matches=lambda dmarc: dmarc.answered and dmarc.host is None,
    ),
)


def cover_notes(dmarc: CoverDmarc, name: str, own: str) -> tuple[CoverNote, ...]:
    """Return what to know of the policy for a name that another name, `own`, signs for."""
    places = {"name": name, "own": own, "host": dmarc.host, "policy": dmarc.policy}
    return tuple(
        CoverNote(code=each.code, is_warning=each.is_warning, text=each.text.format(**places))
        for each in NOTES
        if each.matches(dmarc)
    )


def notes_table() -> str:
    """Return the notes on DMARC as a table of Markdown, for docs/subdomains.md."""
    rows = [f"| `{each.code}` | {'warning' if each.is_warning else 'tip'} | {each.when} |" for each in NOTES]
    return "\n".join(["| note | severity | when |", "|---|---|---|", *rows])
