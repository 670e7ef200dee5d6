"""A domain's findings in the language of whoever reads them."""

from typing import Protocol

from msgspec.structs import replace

from letterhead.core.check import check
from letterhead.core.check.translated import translate_findings
from letterhead.core.findings.diagnosis import Finding, History
from letterhead.core.languages.language import ENGLISH, Language
from letterhead.core.names.domain_names import DomainName, NameRules, is_suffix
from letterhead.core.plan.dns_hosts import DnsHost
from letterhead.core.zone.unanswered import NOT_JUDGED
from letterhead.operations.domains import DomainView


class TranslationNeeds(Protocol):
    """What finding the same findings again needs."""

    @property
    def names(self) -> NameRules: ...
    @property
    def hosts(self) -> tuple[DnsHost, ...]: ...


def translate_view(deps: TranslationNeeds, view: DomainView, language: Language) -> DomainView:
    """Return a view with the findings of its last check in a language.

    What took too long to judge is not judged again: its findings are translated by their templates.
    """
    last = view.last_check
    if last is None or not last.findings or language is ENGLISH:
        return view
    history = History(
        present_until=view.domain.dkim.found_at,
        taken_at=last.taken_at,
        special_use=deps.names.allow_special_use,
        public_suffix=is_suffix(DomainName(view.domain.sender), deps.names),
    )
    again: tuple[Finding, ...] = ()
    if NOT_JUDGED.code not in last.codes:
        again = check.examine(view.plan, last.snapshot.seen(), deps.hosts, history, language).findings
    return replace(view, last_check=replace(last, findings=translate_findings(last.findings, again, language)))
