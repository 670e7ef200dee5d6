"""Whether mail may be sent from a name, by which verified claim, and why not: one table, `RULES`.

The most specific verified claim of the account decides. Claims of other accounts only take names out of what a claim
above them covers; where the account has no verified claim, they change nothing, so that nobody learns of them.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.domain.cover_notes import CoverDmarc, CoverNote, cover_notes
from letterhead.core.domain.domain import Domain


class CoverClaim(msgspec.Struct, frozen=True, kw_only=True):
    """A verified claim that says who may send from a name.

    `at` is where it lies: its own name, or with `is_zone` the apex of a delegated zone in which another account has
    verified a name. `covers` and `may_send` are of interest where it `is_own` alone.
    """

    at: str
    is_own: bool
    covers: bool = False
    may_send: bool = False
    is_zone: bool = False


class CoverFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What the decision on a name follows from.

    `suffix` is the public suffix, of a registry or private, that the name is or lies below; None where there is none.
    `claims` are verified claims of all accounts; those that are neither at nor above the name count for nothing.
    `dmarc` is None where DNS was not asked.
    """

    name: str
    suffix: str | None
    claims: tuple[CoverClaim, ...]
    dmarc: CoverDmarc | None = None

    @property
    def own(self) -> CoverClaim | None:
        """The account's most specific verified claim at or above the name."""
        mine = (each for each in self.claims if each.is_own and is_at_or_below(self.name, each.at))
        return max(mine, key=_depth, default=None)

    @property
    def taker(self) -> CoverClaim | None:
        """The claim of another account that takes the name out of the cover of the account's own."""
        own = self.own
        if own is None:
            return None
        others = (each for each in self.claims if not each.is_own and is_below(each.at, own.at))
        return max((each for each in others if is_at_or_below(self.name, each.at)), key=_depth, default=None)


class CoverRule(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the table: its code, whether mail may be sent where it matches, and the sentences for a person.

    `why` and `fix` have places for the `name`, the `own` claim, the name `taken` out, and of DMARC the `host` of the
    record and its `policy`.
    """

    code: str
    can_send: bool
    when: str
    why: str
    fix: str = ""
    matches: Callable[[CoverFacts], bool]


class CoverDecision(msgspec.Struct, frozen=True, kw_only=True):
    """The answer for a name: `own` is the claim that decides, whose key signs; `taken` is what is out of its cover."""

    name: str
    rule: CoverRule
    own: str | None = None
    taken: str | None = None
    dmarc: CoverDmarc | None = None
    notes: tuple[CoverNote, ...] = ()

    @property
    def can_send(self) -> bool:
        """Whether mail may be sent from the name."""
        return self.rule.can_send

    @property
    def is_covered(self) -> bool:
        """Whether mail from the name is signed by a claim above it."""
        return self.can_send and self.own != self.name

    @property
    def why(self) -> str:
        """The reason as a sentence."""
        return _filled(self.rule.why, self)

    @property
    def fix(self) -> str:
        """What to do, as a sentence; empty where there is nothing to do."""
        return _filled(self.rule.fix, self)


def _filled(text: str, answer: CoverDecision) -> str:
    dmarc = answer.dmarc or CoverDmarc()
    places = {"name": answer.name, "own": answer.own, "taken": answer.taken}
    return text.format(**places, host=dmarc.host, policy=dmarc.policy)


def is_below(name: str, other: str) -> bool:
    """Tell whether a name lies below another one, label by label: `123acme.dev` is no child of `acme.dev`."""
    return name.endswith(f".{other}")


def is_at_or_below(name: str, other: str) -> bool:
    """Tell whether a name is another one or lies below it."""
    return name == other or is_below(name, other)


def names_up(name: str) -> tuple[str, ...]:
    """Return a name and all above it, the longest first, without the last label: no top-level domain is a parent."""
    labels = name.split(".")
    return tuple(".".join(labels[at:]) for at in range(max(1, len(labels) - 1)))


def child_zone(domain: Domain) -> str | None:
    """Return the delegated zone that a claim shows to be its account's, where it may be more than the claim's own name.

    A zone of one or two labels lies below no name that could cover it.
    """
    zone = domain.zone
    return zone if zone is not None and zone.count(".") > 1 and is_below(domain.sender, zone) else None


def _depth(claim: CoverClaim) -> int:
    return claim.at.count(".")


def _is_suffix(facts: CoverFacts) -> bool:
    own = facts.own
    return own is not None and facts.suffix is not None and is_at_or_below(facts.suffix, own.at)


def _covers(facts: CoverFacts) -> bool:
    return facts.own is not None and facts.own.covers


def _may_send(facts: CoverFacts) -> bool:
    return facts.own is not None and facts.own.may_send


def _is_exact(facts: CoverFacts) -> bool:
    return facts.own is not None and facts.own.at == facts.name


ADD_IT: Final = "Add {name} as a sender domain of this account, and publish its records."

# The first that matches decides.
RULES: Final = (
    CoverRule(
        code="not-verified",
        can_send=False,
        when="the account has verified neither the name nor a name above it",
        why="This account has verified neither {name} nor a name above it.",
        fix=ADD_IT,
        matches=lambda facts: facts.own is None,
    ),
    CoverRule(
        code="own-domain",
        can_send=True,
        when="the account has verified the name itself",
        why="{name} is a verified sender domain of this account.",
        matches=lambda facts: _is_exact(facts) and _may_send(facts),
    ),
    CoverRule(
        code="may-not-send-now",
        can_send=False,
        when="the account has verified the name itself, and it may not send now",
        why="{name} is a sender domain of this account that may not send mail now.",
        fix="Look at {name}: its last check says what is missing.",
        matches=_is_exact,
    ),
    CoverRule(
        code="public-suffix",
        can_send=False,
        when="the name above it is a public suffix, of a registry or private, or lies above one that ends the name",
        why="{own} covers no names across a public suffix: those below it are held by others.",
        fix=ADD_IT,
        matches=_is_suffix,
    ),
    CoverRule(
        code="cover-off",
        can_send=False,
        when="the most specific verified name above it does not cover the names below",
        why="{own} is verified, and does not cover the names below it.",
        fix=f"Let {{own}} cover the names below it (coversSubdomains). Or: {ADD_IT}",
        matches=lambda facts: not _covers(facts),
    ),
    CoverRule(
        code="taken-out-zone",
        can_send=False,
        when="another account has verified a name in a zone that is delegated below the covering name, and the name "
        "lies in that zone",
        why="{taken}, a zone of its own, is taken out of the cover of {own}, with all names in it.",
        fix=ADD_IT,
        matches=lambda facts: facts.taker is not None and facts.taker.is_zone,
    ),
    CoverRule(
        code="taken-out",
        can_send=False,
        when="another account has verified the name, or one between it and the covering name",
        why="{taken} is taken out of the cover of {own}, with all names below it.",
        fix=ADD_IT,
        matches=lambda facts: facts.taker is not None,
    ),
    CoverRule(
        code="parent-may-not-send-now",
        can_send=False,
        when="the covering name may not send now",
        why="{name} is covered by {own}, which may not send mail now.",
        fix="Look at {own}: its last check says what is missing.",
        matches=lambda facts: not _may_send(facts),
    ),
    CoverRule(
        code="not-aligned",
        can_send=False,
        when="the DMARC policy for the name is quarantine or reject, and neither the signature of the covering name "
        "nor its MAIL FROM domain is aligned with the name",
        why="{name} is covered by {own}, and receivers are asked to {policy} what {own} signs for it: the DMARC record "
        "at {host} does not take {own} for the name.",
        fix=f"{ADD_IT} Then its own key signs.",
        matches=lambda facts: (
            facts.dmarc is not None
            and not facts.dmarc.is_aligned
            and not facts.dmarc.may_pass_by_spf
            and facts.dmarc.policy != "none"
        ),
    ),
    CoverRule(
        code="covered",
        can_send=True,
        when="none of these: the name above it signs",
        why="{name} is covered by {own}, whose key signs its mail.",
        matches=lambda _: True,
    ),
)


def decide(facts: CoverFacts) -> CoverDecision:
    """Decide by the table."""
    own, taker = facts.own, facts.taker
    rule = next(each for each in RULES if each.matches(facts))
    answer = CoverDecision(
        name=facts.name,
        rule=rule,
        own=own.at if own is not None else None,
        taken=taker.at if taker is not None and rule.code.startswith("taken-out") else None,
        dmarc=facts.dmarc,
    )
    if facts.dmarc is None or rule.code not in ("covered", "not-aligned"):
        return answer
    return replace(answer, notes=cover_notes(facts.dmarc, facts.name, answer.own or ""))


def outermost(names: Iterable[str]) -> tuple[str, ...]:
    """Return names without those that lie below another of them."""
    given = sorted(set(names), key=lambda each: (each.count("."), each))
    kept: list[str] = []
    for name in given:
        if not any(is_below(name, each) for each in kept):
            kept.append(name)
    return tuple(sorted(kept))


def rules_table() -> str:
    """Return the rules as a table of Markdown, for docs/subdomains.md."""
    rows = [f"| `{each.code}` | {'yes' if each.can_send else 'no'} | {each.when} |" for each in RULES]
    return "\n".join(["| reason | `canSend` | when |", "|---|---|---|", *rows])
