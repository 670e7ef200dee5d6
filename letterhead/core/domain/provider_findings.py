"""Diagnoses of what is wrong not in DNS but at the mail provider, or is another account's claim to the same name."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from letterhead.core.domain.domain import Domain
from letterhead.core.domain.evidence import Evidence, ProviderOpinion, RecordState, opinion_on_key, opinion_on_mail_from
from letterhead.core.domain.provider_identity import Identity, IdentityUnknown, Obstacle, Presence
from letterhead.core.findings.diagnosis import Diagnosis, Finding, Severity

CONTEST_SHOWN: Final = timedelta(days=7)

LAGS = Diagnosis(
    code="identity.provider-lags",
    severity=Severity.INCONCLUSIVE,
    title="The mail provider has not looked yet",
    meaning="Your records are right. The provider looks at DNS on its own schedule and has yet to confirm them.",
    detail="DNS is right for {sender}; the provider still says “{word}”, told {since}.",
    fix="Nothing to change: leave the records as they are. The provider usually looks within minutes, at most 72 hours",
    reference="Amazon SES: verifying a domain identity",
)
FINDS_NOTHING = Diagnosis(
    code="identity.provider-finds-nothing",
    severity=Severity.INCONCLUSIVE,
    title="The mail provider does not find the record that we see",
    meaning="We see your record at your nameservers; the provider looked and found none. Most often it looked before "
    "the record was there, and remembers that for as long as your zone tells it to (the last number of its SOA).",
    detail="DNS is right for {sender}; the provider says “{word}”{reason}: it found no such record{looked}.",
    fix="Leave the record as it is: the provider looks again by itself. If it says the same after a day, ask your DNS "
    "host whether each of its servers, everywhere in the world, has the record",
    reference="RFC 2308 5",
)
READS_ANOTHER = Diagnosis(
    code="identity.provider-reads-another",
    severity=Severity.INCONCLUSIVE,
    title="The mail provider reads another value than we do",
    meaning="We see the right value at your nameservers; the provider saw another one. Most often that is an earlier "
    "value which has not run out everywhere.",
    detail="DNS is right for {sender}; the provider says “{word}”{reason}: it read another value{looked}.",
    fix="Leave the record as it is until its earlier TTL has run out. If it says the same after a day, ask your DNS "
    "host whether some of its servers still have the earlier value",
    reference="RFC 1035 3.2.1",
)
UNANSWERED = Diagnosis(
    code="identity.provider-unanswered",
    severity=Severity.INCONCLUSIVE,
    title="Your nameservers did not answer the mail provider",
    meaning="Your nameservers answer us; the provider asked them too, and got an error or nothing.",
    detail="DNS is right for {sender}; the provider says “{word}”{reason}: your nameservers did not answer it{looked}.",
    fix="Leave the record as it is. If it says the same after a day, ask your DNS host whether it refuses or limits "
    "questions that come from Amazon's networks",
    reference="Amazon SES: VerificationInfo, DNS_SERVER_ERROR",
)
GAVE_UP = Diagnosis(
    code="identity.provider-gave-up",
    severity=Severity.BLOCKING,
    title="The mail provider has stopped looking",
    meaning="A provider looks for the records for some days only, then gives up until it is asked again.",
    detail="The provider gave up on {sender}{reason}.",
    fix="Leave the records as they are: Letterhead asks the provider again, at most once a day",
    reference="Amazon SES: 72 hours to verify an identity",
)
MISSING = Diagnosis(
    code="identity.missing-at-provider",
    severity=Severity.BLOCKING,
    title="The mail provider does not know the domain",
    meaning="The domain was set up at the mail provider and is not there any more, so the provider refuses its mail.",
    detail="The provider has no identity for {sender}.",
    fix="Nothing to change in DNS: Letterhead sets it up again. If it vanishes again, find out who deletes it there",
    reference="Amazon SES: GetEmailIdentity, NotFoundException",
)
KEY_REPLACED = Diagnosis(
    code="identity.key-replaced",
    severity=Severity.BLOCKING,
    title="The mail provider signs with another key",
    meaning="Somebody changed the signing key at the mail provider. Its signatures don't match the key in your DNS.",
    detail="The provider signs {sender} with the selector {found}, not {selector}.",
    fix="Nothing to change in DNS: Letterhead puts the right key back. Find out who changed it at the provider",
    reference="RFC 6376 3.5",
)
NOT_OURS = Diagnosis(
    code="identity.not-ours",
    severity=Severity.BLOCKING,
    title="The domain belongs to somebody else at the mail provider",
    meaning="At the mail provider a domain exists once. This one was set up there by something other than Letterhead, "
    "which never touches what is not its own.",
    detail="The provider holds {sender} under somebody else's tag.",
    fix="Ask the operator of this installation to adopt it, or to delete it at the provider",
    reference="Amazon SES: AlreadyExistsException",
)
THROTTLED = Diagnosis(
    code="identity.throttled",
    severity=Severity.INCONCLUSIVE,
    title="The mail provider could not be asked",
    meaning="The provider was busy, out of reach or refused to answer for now. That says nothing about your domain.",
    detail="The provider did not answer about {sender}: {reason}.",
    fix="Nothing to change: we ask again soon",
    reference="Amazon SES: TooManyRequestsException",
)
REFUSED = Diagnosis(
    code="identity.refused",
    severity=Severity.BLOCKING,
    title="The mail provider refuses the domain",
    meaning="The provider has decided not to send mail for this domain. DNS can't change that.",
    detail="The provider refuses {sender}{reason}.",
    fix="Ask the provider's support why, or use another domain",
    reference="Amazon SES: VerificationStatus FAILED",
)
NOT_STARTED = Diagnosis(
    code="mail-from.not-started",
    severity=Severity.BLOCKING,
    title="The mail provider was never told of the MAIL FROM domain",
    meaning="The records are right, but the provider does not use the domain as return-path: nobody set it.",
    detail="The provider knows no MAIL FROM domain for {sender}; it should be {mail_from}.",
    fix="Nothing to change in DNS: Letterhead tells the provider",
    reference="Amazon SES: PutEmailIdentityMailFromAttributes",
)
HELD = Diagnosis(
    code="claim.held",
    severity=Severity.BLOCKING,
    title="Another account of this service uses the domain",
    meaning="Your record is right, and so is that of another account which proved the domain first. The first one "
    "stays until its record is gone.",
    detail="{sender} is proven by another account, whose DKIM record is in DNS beside yours.",
    fix="If the domain is yours, delete the other DKIM record below _domainkey.{sender}: after 24 hours in which only "
    "yours is seen, the domain moves to your account",
    reference="One name, several accounts: DNS decides",
)
SELECTOR_USED = Diagnosis(
    code="claim.selector-used",
    severity=Severity.BLOCKING,
    title="Another account proved the domain with this selector before",
    meaning="A selector proves a domain for one account only: its record may still be in DNS, and its key in the hands "
    "of whoever had the domain before.",
    detail="The selector {selector} of {sender} was that of another account which had proven the domain.",
    fix="Delete {sender} here, add it again without a selector of your own or with another one, and publish the record "
    "that you are then asked for. Leave the record of {selector} in place while anything signs with it",
    reference="One name, several accounts: DNS decides",
)
CONTESTED = Diagnosis(
    code="claim.contested",
    severity=Severity.WARNING,
    title="Another account has published a record for this domain",
    meaning="Somebody who can edit the domain's DNS has added a DKIM record for another account of this service. "
    "Your domain stays with you while your own record is there.",
    detail="A second, valid claim to {sender} was seen {since}.",
    fix="Ask who edits the domain's DNS whether that was meant. To keep the domain, keep your own DKIM record",
    reference="One name, several accounts: DNS decides",
)

DIAGNOSES: Final = (
    LAGS,
    FINDS_NOTHING,
    READS_ANOTHER,
    UNANSWERED,
    GAVE_UP,
    MISSING,
    KEY_REPLACED,
    NOT_OURS,
    THROTTLED,
    REFUSED,
    NOT_STARTED,
    HELD,
    SELECTOR_USED,
    CONTESTED,
)

_BY_OPINION: Final = {
    ProviderOpinion.GAVE_UP: GAVE_UP,
    ProviderOpinion.MISSING: MISSING,
    ProviderOpinion.OTHERWISE: KEY_REPLACED,
    ProviderOpinion.FOREIGN: NOT_OURS,
    ProviderOpinion.REFUSED: REFUSED,
}

_BY_OBSTACLE: Final = {
    Obstacle.NOT_FOUND: FINDS_NOTHING,
    Obstacle.OTHER_VALUE: READS_ANOTHER,
    Obstacle.DNS_SILENT: UNANSWERED,
}


def findings(domain: Domain, evidence: Evidence, now: datetime) -> Iterator[Finding]:
    """Return what keeps mail from flowing although the records are right: at the provider, or through another claim.

    `domain` is as it was before the check.
    """
    if evidence.is_barred and evidence.dkim is RecordState.PRESENT:
        # First the selector: while it bars the claim, a record that the holder deletes changes nothing.
        yield _finding(SELECTOR_USED if evidence.is_selector_of_others else HELD, domain)
        return
    if domain.contested_at is not None and now - domain.contested_at < CONTEST_SHOWN:
        yield _finding(CONTESTED, domain, since=_on(domain.contested_at))
    provider = evidence.provider
    if isinstance(provider, IdentityUnknown):
        found = _finding(THROTTLED, domain, reason=provider.detail or provider.provider_code)
        yield replace(found, fix=provider.fix) if provider.fix else found
    elif isinstance(provider, Identity) and (domain.registered_at is not None or provider.presence is Presence.FOREIGN):
        yield from _identity_findings(domain, evidence, provider)


def _identity_findings(domain: Domain, evidence: Evidence, provider: Identity) -> Iterator[Finding]:
    opinion = opinion_on_key(provider, domain.selector)
    reason = f" ({provider.reason})" if provider.reason else ""
    since = _on(domain.registered_at) if domain.registered_at else "just now"
    if opinion is ProviderOpinion.OTHERWISE and provider.selector in {old.selector for old in domain.old_keys}:
        yield _finding(LAGS, domain, word=f"signing with the key before, {provider.selector}", since=since)
        return
    if opinion in _BY_OPINION:
        yield _finding(_BY_OPINION[opinion], domain, reason=reason, found=provider.selector or "none")
        return
    if opinion in (ProviderOpinion.WORKING, ProviderOpinion.NOTHING) and evidence.dkim is RecordState.PRESENT:
        diagnosis = _BY_OBSTACLE.get(provider.obstacle, LAGS) if provider.obstacle else LAGS
        looked = f" when it looked {_on(provider.checked_at)}" if provider.checked_at else ""
        yield _finding(diagnosis, domain, word=provider.dkim.value, since=since, reason=reason, looked=looked)
    unset = opinion_on_mail_from(provider, domain.mail_from) is ProviderOpinion.MISSING
    if domain.mail_from and evidence.mail_from is RecordState.PRESENT and unset:
        yield _finding(NOT_STARTED, domain, mail_from=domain.mail_from)


def _on(at: datetime) -> str:
    return at.strftime("on %Y-%m-%d at %H:%M UTC")


def _finding(diagnosis: Diagnosis, domain: Domain, **places: str) -> Finding:
    filled = {"sender": domain.sender, "selector": domain.selector, **places}
    return Finding(
        code=diagnosis.code,
        severity=diagnosis.severity,
        host=domain.sender,
        title=diagnosis.title,
        detail=diagnosis.detail.format_map(filled),
        fix=diagnosis.fix.format_map(filled),
    )
