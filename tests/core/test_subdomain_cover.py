"""Who may send from a name: the table of rules against a naive model, and the notes on DMARC."""

from dataclasses import dataclass, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from letterhead.core.check import cover_dmarc
from letterhead.core.dmarc import tree_walk
from letterhead.core.dns.answers import NoData, NxDomain, Perspective, Question, Reply, Seen, Unanswered, View, Why
from letterhead.core.dns.lookup import txt_question
from letterhead.core.domain.cover_notes import NOTES, CoverDmarc
from letterhead.core.domain.health import HealthState, new_health
from letterhead.core.domain.subdomain_cover import (
    RULES,
    CoverClaim,
    CoverDecision,
    CoverFacts,
    child_zone,
    decide,
    names_up,
    outermost,
)
from tests.core.samples import BORN, domain, found, txt

ACCOUNTS = ("a", "b", "c", "d", "e")
LABELS = ("x", "y", "xx")  # `xx` ends in `x`, so that names are compared by label


@dataclass(frozen=True)
class Held:
    """A verified claim of one of the accounts."""

    account: str
    covers: bool
    may_send: bool
    zone: str | None = None  # the delegated zone that it lies in, where that is not its own name


def facts_for(account: str, name: str, held: dict[str, Held], suffix: str | None) -> CoverFacts:
    """Make the facts for one account, as the store returns them."""
    up = names_up(name)
    claims = [
        CoverClaim(
            at=at,
            is_own=claim.account == account,
            covers=claim.covers and claim.account == account,
            may_send=claim.may_send and claim.account == account,
        )
        for at, claim in held.items()
        if at in up
    ]
    zones = {claim.zone for claim in held.values() if claim.account != account and claim.zone in up}
    claims += [CoverClaim(at=zone, is_own=False, is_zone=True) for zone in zones if zone]
    return CoverFacts(name=name, suffix=suffix, claims=tuple(claims))


def model(account: str, name: str, held: dict[str, Held], suffix: str | None) -> str | None:
    """Walk up from the name, label by label, and say who signs; know nothing of the table."""
    labels, taken = name.split("."), False
    for cut in range(len(labels) - 1):
        here = ".".join(labels[cut:])
        claim = held.get(here)
        if claim is not None and claim.account == account:
            if cut == 0:
                return here if claim.may_send else None
            if suffix is not None and len(here.split(".")) <= len(suffix.split(".")):
                return None
            return here if claim.covers and claim.may_send and not taken else None
        zone_of_other = any(each.zone == here and each.account != account for each in held.values())
        taken = taken or claim is not None or zone_of_other
    return None


names = st.lists(st.sampled_from(LABELS), min_size=0, max_size=4).map(lambda labels: ".".join([*labels, "acme", "dev"]))
claims = st.builds(
    Held, account=st.sampled_from(ACCOUNTS), covers=st.booleans(), may_send=st.booleans() | st.just(value=True)
)
suffixes = st.sampled_from(("dev", "acme.dev", "x.acme.dev", None))


def with_zones(held: dict[str, Held], cuts: set[str]) -> dict[str, Held]:
    """Say of each claim which zone it lies in, by where the zones are cut."""
    found = {}
    for at, claim in held.items():
        zone = max((each for each in cuts if at.endswith("." + each) or at == each), key=len, default=None)
        found[at] = replace(claim, zone=None if zone == at else zone)
    return found


@settings(max_examples=1500, deadline=None)
@given(
    account=st.sampled_from(ACCOUNTS),
    name=names,
    held=st.dictionaries(names, claims, max_size=8),
    cuts=st.sets(names, max_size=3),
    suffix=suffixes,
)
@example(account="a", name="xx.acme.dev", held={"x.acme.dev": Held("a", True, True)}, cuts=set(), suffix="dev")
def test_the_table_decides_as_the_model(
    account: str, name: str, held: dict[str, Held], cuts: set[str], suffix: str | None
) -> None:
    """On random trees of names of five accounts: who signs, and that nobody learns of others without a claim above."""
    held = with_zones(held, cuts)
    if suffix is not None and name != suffix and not name.endswith(f".{suffix}"):
        suffix = "dev"  # the suffix is always one that the name is or lies below
    decision = decide(facts_for(account, name, held, suffix))
    signer = model(account, name, held, suffix)
    assert (decision.own if decision.can_send else None) == signer
    alone = {at: claim for at, claim in held.items() if claim.account == account}
    without_others = decide(facts_for(account, name, alone, suffix))
    if not decision.rule.code.startswith("taken-out"):
        assert decision == without_others
    else:
        assert decision.own == without_others.own
        assert decision.taken
        assert (name == decision.taken or name.endswith("." + decision.taken)) and decision.taken.endswith(
            f".{decision.own}"
        )
    for text in (decision.why, decision.fix):
        assert "{" not in text
        assert "None" not in text
    assert decision.can_send or decision.fix


class CoverMachine(RuleBasedStateMachine):
    """Verifies, loses and switches claims of five accounts, and asks for each account and name after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.held: dict[str, Held] = {}

    @rule(at=names, claim=claims)
    def verify(self, at: str, claim: Held) -> None:
        """One account verifies a name that nobody holds."""
        self.held.setdefault(at, claim)

    @rule(at=names)
    def lose(self, at: str) -> None:
        """A claim is lost."""
        self.held.pop(at, None)

    @rule(at=names, covers=st.booleans())
    def switch(self, at: str, covers: bool) -> None:
        """An account switches the cover of a domain."""
        if at in self.held:
            self.held[at] = replace(self.held[at], covers=covers)

    @invariant()
    def one_account_at_most_signs_for_a_name_by_a_claim_below_its_own(self) -> None:
        """Each account is answered as by the model, and a verified name is never another account's to send from."""
        tree = {at for each in self.held for at in (each, f"y.{each}")}
        for name in tree:
            for account in ACCOUNTS:
                decision = decide(facts_for(account, name, self.held, "dev"))
                assert (decision.own if decision.can_send else None) == model(account, name, self.held, "dev")
                holder = self.held.get(name)
                if decision.can_send and holder is not None:
                    assert holder.account == account


TestCovers = CoverMachine.TestCase
TestCovers.settings = settings(max_examples=60, stateful_step_count=15, deadline=None)


def test_every_rule_is_reached() -> None:
    """Each row of the table answers for some facts, and no two have one code."""
    own = CoverClaim(at="acme.dev", is_own=True, covers=True, may_send=True)
    other = CoverClaim(at="eu.acme.dev", is_own=False)
    strict = CoverDmarc(host="_dmarc.eu.acme.dev", policy="reject", strict_dkim=True)
    reached = [
        decide(CoverFacts(name=name, suffix=suffix, claims=found, dmarc=dmarc)).rule.code
        for name, suffix, found, dmarc in (
            ("eu.acme.dev", "dev", (), None),
            ("acme.dev", "dev", (own,), None),
            ("acme.dev", "dev", (replace_claim(own, may_send=False),), None),
            ("eu.acme.dev", "acme.dev", (own,), None),
            ("eu.acme.dev", "dev", (replace_claim(own, covers=False),), None),
            ("eu.acme.dev", "dev", (own, replace_claim(other, is_zone=True)), None),
            ("eu.acme.dev", "dev", (own, other), None),
            ("eu.acme.dev", "dev", (replace_claim(own, may_send=False),), None),
            ("eu.acme.dev", "dev", (own,), strict),
            ("eu.acme.dev", "dev", (own,), None),
        )
    ]
    assert reached == [each.code for each in RULES]
    assert len(set(reached)) == len(reached)


def replace_claim(claim: CoverClaim, **changes: object) -> CoverClaim:
    """Change a claim."""
    known = {field: getattr(claim, field) for field in claim.__struct_fields__}
    return CoverClaim(**(known | changes))


def test_labels_are_compared_whole() -> None:
    """`123acme.dev` is no child of `acme.dev`, whatever its last letters."""
    own = CoverClaim(at="acme.dev", is_own=True, covers=True, may_send=True)
    assert decide(CoverFacts(name="123acme.dev", suffix="dev", claims=(own,))).rule.code == "not-verified"
    assert decide(CoverFacts(name="123.acme.dev", suffix="dev", claims=(own,))).can_send


def test_names_up_end_before_the_top_level() -> None:
    """No top-level domain is a parent."""
    assert names_up("a.b.acme.dev") == ("a.b.acme.dev", "b.acme.dev", "acme.dev")
    assert names_up("acme.dev") == ("acme.dev",)
    assert names_up("dev") == ("dev",)


def test_outermost_names_are_those_below_no_other() -> None:
    """What lies below another name that is taken out is taken out with it."""
    kept = outermost(["b.a.acme.dev", "a.acme.dev", "xa.acme.dev", "c.b.a.acme.dev", "z.acme.dev"])
    assert kept == ("a.acme.dev", "xa.acme.dev", "z.acme.dev")


@pytest.mark.parametrize(
    ("sender", "lies_in", "cut"),
    [
        ("mail.eu.acme.dev", "eu.acme.dev", "eu.acme.dev"),
        ("eu.acme.dev", "eu.acme.dev", None),
        ("mail.acme.dev", "acme.dev", None),
        ("acme.dev", None, None),
        ("xeu.acme.dev", "eu.acme.dev", None),
    ],
)
def test_the_zone_of_a_claim(sender: str, lies_in: str | None, cut: str | None) -> None:
    """A claim shows a delegated zone to be its account's where that is more than its own name, and may be covered."""
    assert child_zone(domain(sender=sender, zone=lies_in)) == cut


# --- DMARC -------------------------------------------------------------------------------------------------------

EU = "eu.acme.dev"


def seen(records: dict[str, str | None], *, exists: bool = True, silent: tuple[str, ...] = ()) -> Seen:
    """Make the answers for `eu.acme.dev` below `acme.dev`, by what stands at `_dmarc` of each name."""
    answers: dict[Question, tuple[Reply, ...]] = {}
    place = Perspective(view=View.ONE_RESOLVER, server="")
    for asked in cover_dmarc.questions(EU, "acme.dev"):
        text = records.get(asked.name.removeprefix("_dmarc."))
        if asked == txt_question(EU):
            answer: object = NoData(negative_ttl=60) if exists else NxDomain(negative_ttl=60)
        elif asked.name.removeprefix("_dmarc.") in silent:
            answer = Unanswered(why=Why.TIMEOUT, detail="no answer")
        elif text is None:
            answer = NxDomain(negative_ttl=60)
        else:
            answer = found(asked.name, "TXT", txt(text))
        answers[asked] = (Reply(perspective=place, answer=answer),)  # type: ignore[arg-type]
    return answers


def answer_for(answers: Seen, *, mail_from: bool = True) -> CoverDecision:
    """Decide on `eu.acme.dev`, which `acme.dev` covers, with what was seen."""
    signer = domain(sender="acme.dev", mail_from="lh.acme.dev", mail_from_health=new_health(HealthState.VERIFIED, BORN))
    if not mail_from:
        signer = domain(sender="acme.dev")
    own = CoverClaim(at="acme.dev", is_own=True, covers=True, may_send=True)
    return decide(
        CoverFacts(name=EU, suffix="dev", claims=(own,), dmarc=cover_dmarc.read(EU, signer, answers)),
    )


ASKS = "v=DMARC1; p=reject"


@pytest.mark.parametrize(
    ("records", "how", "mail_from", "can_send", "notes"),
    [
        ({}, {}, True, True, ["dmarc-no-policy"]),
        ({"acme.dev": ASKS}, {}, True, True, []),
        ({"acme.dev": ASKS}, {}, False, True, []),
        ({"acme.dev": f"{ASKS}; sp=quarantine"}, {}, True, True, ["dmarc-subdomain-policy"]),
        ({"acme.dev": f"{ASKS}; np=reject"}, {}, True, True, []),
        ({"acme.dev": f"{ASKS}; np=reject; sp=none"}, {"exists": False}, True, True, ["dmarc-nonexistent-policy"]),
        ({"acme.dev": f"{ASKS}; sp=none"}, {"exists": False}, True, True, ["dmarc-subdomain-policy"]),
        ({"acme.dev": f"{ASKS}; adkim=s"}, {}, True, True, ["dmarc-strict-dkim"]),
        ({"acme.dev": f"{ASKS}; adkim=s"}, {}, False, False, ["dmarc-strict-dkim"]),
        ({"acme.dev": f"{ASKS}; adkim=s; aspf=s"}, {}, True, False, ["dmarc-strict-dkim"]),
        ({"acme.dev": f"{ASKS}; aspf=s"}, {}, True, True, ["dmarc-strict-spf"]),
        ({"acme.dev": "v=DMARC1; p=none; adkim=s; aspf=s"}, {}, True, True, ["dmarc-strict-dkim"]),
        (
            {"acme.dev": f"{ASKS}; adkim=s; aspf=s; sp=none"},
            {},
            True,
            True,
            ["dmarc-strict-dkim", "dmarc-subdomain-policy"],
        ),
        (
            {"acme.dev": f"{ASKS}; adkim=s; sp=none; np=reject"},
            {"exists": False},
            False,
            False,
            ["dmarc-strict-dkim", "dmarc-nonexistent-policy"],
        ),
        ({"acme.dev": ASKS, EU: ASKS}, {}, True, True, ["dmarc-own-record"]),
        ({"acme.dev": ASKS, EU: f"{ASKS}; adkim=s"}, {}, False, False, ["dmarc-strict-dkim", "dmarc-own-record"]),
        ({"acme.dev": f"{ASKS}; adkim=s", EU: ASKS}, {}, False, True, ["dmarc-own-record"]),
        ({EU: ASKS}, {}, True, False, ["dmarc-signer-without-record", "dmarc-own-record"]),
        ({"acme.dev": ASKS, EU: f"{ASKS}; psd=n"}, {}, True, False, ["dmarc-other-organisation", "dmarc-own-record"]),
        ({}, {"silent": (EU,)}, True, True, ["dmarc-unanswered"]),
        ({EU: ASKS}, {"silent": ("acme.dev",)}, False, True, ["dmarc-unanswered", "dmarc-own-record"]),
        ({"acme.dev": f"{ASKS}; adkim=s"}, {"silent": ("dev",)}, False, True, ["dmarc-unanswered"]),
    ],
)
def test_dmarc_changes_the_answer(
    records: dict[str, str | None],
    how: dict[str, bool | tuple[str, ...]],
    mail_from: bool,
    can_send: bool,
    notes: list[str],
) -> None:
    """Before a message fails: strict alignment, the name's own record, sp, np and psd, and DNS that says nothing."""
    decision = answer_for(seen(records, **how), mail_from=mail_from)  # type: ignore[arg-type]
    assert [each.code for each in decision.notes] == notes
    assert decision.can_send is can_send
    assert decision.rule.code == ("covered" if can_send else "not-aligned")
    for text in (decision.why, decision.fix, *(each.text for each in decision.notes)):
        assert "{" not in text
        assert "None" not in text


def test_every_note_is_told_for_something() -> None:
    """The cases above reach each note; a note that no case reaches would never be seen."""
    marks = test_dmarc_changes_the_answer.pytestmark  # type: ignore[attr-defined]
    reached = {code for mark in marks for case in mark.args[1] for code in case[4]}
    assert reached == {each.code for each in NOTES}


@settings(max_examples=300, deadline=None)
@given(
    tags=st.fixed_dictionaries(
        {},
        optional={
            "p": st.sampled_from(("none", "quarantine", "reject")),
            "adkim": st.sampled_from(("r", "s", "x")),
            "aspf": st.sampled_from(("r", "s")),
            "sp": st.sampled_from(("none", "reject", "bad")),
            "np": st.sampled_from(("none", "reject")),
            "psd": st.sampled_from(("y", "n", "u")),
            "t": st.sampled_from(("y", "n")),
        },
    ),
    at=st.sampled_from(("dev", "acme.dev", EU)),
    exists=st.booleans(),
)
def test_the_policy_is_the_one_of_the_tree_walk(tags: dict[str, str], at: str, exists: bool) -> None:
    """What is told of a policy is what the tree walk finds, whatever the record says."""
    text = "; ".join(["v=DMARC1", *(f"{name}={value}" for name, value in tags.items())])
    answers = seen({at: text}, exists=exists)
    policy = tree_walk.policy_in_force(EU, answers)
    read = cover_dmarc.read(EU, domain(sender="acme.dev"), answers)
    assert read.answered
    assert (read.host, read.policy) == ((policy.name, policy.applied) if policy else (None, "none"))
    if policy is not None:
        assert read.strict_dkim is policy.strict_dkim
