"""Findings about the sender's name itself: DNS takes it, and yet mail from it may be refused or judged otherwise."""

from collections.abc import Iterable

from letterhead.core.findings.diagnosis import Diagnosis, Finding, Match, RuleInput, Severity, finding
from letterhead.core.names.lookup_names import foreign_label

UNDERSCORE = Diagnosis(
    code="zone.underscore-in-domain",
    severity=Severity.WARNING,
    title="The domain has an underscore",
    meaning="DNS takes such a name. The standard for mail does not: a mail domain has letters, digits and hyphens "
    "alone, and many servers refuse a sender at any other.",
    detail="{sender} has an underscore.",
    fix="Send from a name without an underscore; a hyphen in its place will do",
    reference="RFC 5321 4.1.2",
)
NOT_IDNA = Diagnosis(
    code="zone.domain-not-idna",
    severity=Severity.WARNING,
    title="The domain is not valid under IDNA 2008",
    meaning="Names in other scripts are written as xn--… in DNS. This one stands for signs, such as emoji, that the "
    "standard has not allowed since 2010: programs that follow it can't show the name, and some refuse the address.",
    detail="{label} in {sender} stands for characters that IDNA 2008 does not allow.",
    fix="Nothing to change in DNS. Where mail from it is refused for its name, send from another domain",
    reference="RFC 5892 2.6",
)
ON_SUFFIX_LIST = Diagnosis(
    code="zone.public-suffix",
    severity=Severity.TIP,
    title="The domain is on the Public Suffix List",
    meaning="The list says that others hold the names below this one. Receivers that still go by it (RFC 7489) do not "
    "apply this domain's DMARC policy to the names below it, and do not take one of those for this domain.",
    detail="{sender} is on the Public Suffix List.",
    fix="Nothing to change: mail that DKIM signs for {sender} passes. If nobody else holds names below it, its owner "
    "can have the entry removed (publicsuffix.org)",
    reference="RFC 9989 4.10",
)
DIAGNOSES = (UNDERSCORE, NOT_IDNA, ON_SUFFIX_LIST)


def survey(rule_input: RuleInput) -> Iterable[Finding]:
    """Find what is odd about the name."""
    sender = rule_input.plan.sender
    if "_" in sender:
        yield finding(UNDERSCORE, rule_input)
    label = foreign_label(sender)
    if label is not None:
        yield finding(NOT_IDNA, rule_input, None, Match(places={"label": label}))
    if rule_input.history.public_suffix:
        yield finding(ON_SUFFIX_LIST, rule_input)
