"""Serialize what is told of Domain Connect: links, keys, the template."""

from msgspec import UNSET

from letterhead.core.domain_connect.apply_link import ApplyLink
from letterhead.core.domain_connect.template_rules import BrokenRule
from letterhead.operations.domain_connect_keys import SigningKey
from letterhead.web import schemas_domain_connect, schemas_links
from letterhead.web.serialize import given


def apply_link(link: ApplyLink) -> schemas_links.ApplyLinkOut:
    """Serialize a link, or why there is none."""
    return schemas_links.ApplyLinkOut(
        supported=link.supported,
        host=given(link.host),
        url=given(link.url),
        width=given(link.width),
        height=given(link.height),
        state=given(link.state),
        reason=given(link.reason),
        detail=given(link.detail),
        code=given(link.code),
        records=link.records or UNSET,
        left=link.left or UNSET,
    )


def signing_key(key: SigningKey) -> schemas_domain_connect.DomainConnectKey:
    """Serialize a key, without its private half."""
    return schemas_domain_connect.DomainConnectKey(
        name=key.name, host=key.host, texts=key.texts, published=given(key.is_published), problem=given(key.problem)
    )


def broken_rule(each: BrokenRule) -> schemas_domain_connect.TemplateProblem:
    """Serialize a rule that the template breaks."""
    return schemas_domain_connect.TemplateProblem(rule=each.rule, severity=each.severity, detail=each.detail)
