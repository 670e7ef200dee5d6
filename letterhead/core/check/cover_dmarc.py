"""What the DMARC records say of mail from a name that a name above it signs (RFC 9989), and the questions for it."""

from letterhead.core.dmarc import tree_walk
from letterhead.core.dmarc.record import parse_dmarc_record
from letterhead.core.dns.answers import Question, Seen
from letterhead.core.dns.lookup import txt_question
from letterhead.core.domain.cover_notes import CoverDmarc
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState


def questions(name: str, signer: str) -> tuple[Question, ...]:
    """Return what to ask: the records of both tree walks, and whether the name exists."""
    walks = (*tree_walk.walk(name), *tree_walk.walk(signer))
    return (*dict.fromkeys(map(tree_walk.question, walks)), txt_question(name))


def read(name: str, signer: Domain, seen: Seen) -> CoverDmarc:
    """Return what the answers say of mail from a name that is signed by a name above it."""
    policy = tree_walk.policy_in_force(name, seen)
    health = signer.mail_from_health
    has_mail_from = signer.mail_from is not None and health is not None and health.state is HealthState.VERIFIED
    walked = (*tree_walk.walk(name), *tree_walk.walk(signer.sender))
    unanswered = any(tree_walk.texts_at(each, seen) is None for each in walked)
    if unanswered and (policy is None or policy.is_inherited):  # the record that applies may be there
        return CoverDmarc(answered=False, has_mail_from=has_mail_from)
    if policy is None:
        return CoverDmarc(has_mail_from=has_mail_from)
    return CoverDmarc(
        answered=not unanswered,
        host=policy.name,
        policy=policy.applied,
        tag=_tag(policy, exists=tree_walk.exists(name, seen)),
        is_own=not policy.is_inherited,
        strict_dkim=policy.strict_dkim,
        strict_spf=policy.strict_spf,
        same_organisation=unanswered
        or tree_walk.organisational_domain(name, seen) == tree_walk.organisational_domain(signer.sender, seen),
        signer_has_record=unanswered or not tree_walk.is_without_policy(signer.sender, seen),
        has_mail_from=has_mail_from,
    )


def _tag(policy: tree_walk.DiscoveredPolicy, *, exists: bool) -> str:
    """Return the tag whose policy applies (RFC 9989 4.7)."""
    if not policy.is_inherited:
        return "p"
    record = parse_dmarc_record(policy.text)
    return next((tag for tag in (("sp",) if exists else ("np", "sp")) if record.tag(tag)), "p")
