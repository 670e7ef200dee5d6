"""JSON schemas of the operator's Domain Connect template and of the keys that sign its links."""

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from letterhead.core.domain_connect.template import Template
from letterhead.web.schemas import In, Out


class TemplateQuery(In, frozen=True, kw_only=True):
    """Which version the template says that it is."""

    version: Annotated[int, Meta(ge=1, le=10_000, description="Raise it with each change that you hand in.")] = 1


class DomainConnectKey(Out, frozen=True, kw_only=True):
    """A key that signs links: `texts` are the contents of the TXT records to publish at `host`.

    `published` is whether DNS serves them; absent where it did not answer. `problem` says what it has instead.
    """

    name: str
    host: str
    texts: tuple[str, ...]
    published: bool | UnsetType = UNSET
    problem: str | UnsetType = UNSET


class TemplateProblem(Out, frozen=True, kw_only=True):
    """A rule that the template breaks: `severity` is "error" where the repository refuses it, else "warning"."""

    rule: str
    severity: str
    detail: str


class DomainConnectTemplate(Out, frozen=True, kw_only=True):
    """The template for the public repository, the name of its file there, and the rules that it breaks."""

    file_name: str
    template: Template
    problems: tuple[TemplateProblem, ...]


class DomainConnectState(Out, frozen=True, kw_only=True):
    """What names the operator as a service provider, and the keys, the oldest first; the newest published one signs."""

    provider_id: str
    service_id: str
    key_domain: str
    keys: tuple[DomainConnectKey, ...]
