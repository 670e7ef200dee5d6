"""The operator's template, and how each planned record of a domain is set by it: its group and its variables.

Each record is a group of its own, so that a link names exactly those that it sets. What does not differ between domains
is fixed text in the template, and variables are as narrow as they can be.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from letterhead.core.dmarc import topic as dmarc
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.core.plan.plan import PlannedRecord, RecordId, relative_name
from letterhead.core.rotation.delegated_keys import FIRST, SECOND
from letterhead.core.spf import topic as spf

TTL: Final = 3600  # seconds; some hosts take no less, and none has to keep to it
_SELECTOR: Final = r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*"
_KEY: Final = r"[A-Za-z0-9+/]+={0,2}"
# The variables with the values that a link may give them. None may be named as a parameter of the protocol (`key`).
VARIABLES: Final[Mapping[str, str]] = {
    "dkimselector": _SELECTOR,
    "dkimkey": _KEY,
    "nextselector": _SELECTOR,
    "nextkey": _KEY,
    "edselector": _SELECTOR,
    "edkey": _KEY,
    "ednextselector": _SELECTOR,
    "ednextkey": _KEY,
    "keytoken": "[a-z2-7]+",
}
_DESCRIBED: Final = (
    "%dkimselector%, %dkimkey%: selector and public key (base64) of the RSA key that signs; %nextselector%, %nextkey%:"
    " of the key that follows it; %edselector%, %edkey%, %ednextselector%, %ednextkey%: of the Ed25519 keys beside them"
)


class ServiceProvider(msgspec.Struct, frozen=True, kw_only=True):
    """The operator as a service provider: what names the template, and what is the same in it for all domains.

    The public keys are published below `key_domain`; the browser comes back to one of `redirect_origins` alone.
    `labels` are the first labels that a MAIL FROM name may have, `key_zone` is where delegated keys are published.
    """

    provider_id: str
    provider_name: str
    service_id: str
    service_name: str
    key_domain: str
    redirect_origins: tuple[str, ...] = ()
    logo_url: str | None = None
    labels: tuple[str, ...] = ()
    path: ReturnPath | None = None
    key_zone: str | None = None

    @property
    def redirect_domains(self) -> tuple[str, ...]:
        """The hosts of the redirect origins, without addresses and single labels, which a template can't have."""
        hosts = [origin.partition("://")[2].partition(":")[0] for origin in self.redirect_origins]
        return tuple(dict.fromkeys(each for each in hosts if "." in each and not each.rpartition(".")[2].isdigit()))


class TemplateRecord(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One record of a template; which fields are set depends on its type."""

    type: str
    group_id: str | None = None
    essential: str | None = None
    host: str
    points_to: str | None = None
    priority: int | None = None
    data: str | None = None
    spf_rules: str | None = None
    txt_conflict_matching_mode: str | None = None
    txt_conflict_matching_prefix: str | None = None
    ttl: int | None = None


class Template(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A template, with the fields in the order of the public repository."""

    provider_id: str
    provider_name: str
    service_id: str
    service_name: str
    version: int | None = None
    logo_url: str | None = None
    description: str | None = None
    variable_description: str | None = None
    sync_pub_key_domain: str | None = None
    sync_redirect_domain: str | None = None
    multi_instance: bool = False
    warn_phishing: bool = False
    sync_block: bool = False
    host_required: bool = False
    records: tuple[TemplateRecord, ...]


class AppliedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """How a link sets one planned record: by a group of the template, with these variables."""

    id: RecordId
    group: str
    variables: Mapping[str, str]


def new_template(provider: ServiceProvider, version: int = 1) -> Template:
    """Return the operator's template.

    No record is essential and instances do not replace each other: applied again with fewer groups, as after a change
    of keys, it must take nothing away that mail depends on.
    """
    described = _DESCRIBED
    if provider.key_zone is not None:
        described += "; %keytoken%: the customer's label in the zone that serves their keys"
    return Template(
        provider_id=provider.provider_id,
        provider_name=provider.provider_name,
        service_id=provider.service_id,
        service_name=provider.service_name,
        version=version,
        logo_url=provider.logo_url,
        description="Sends mail from the domain: its DKIM keys, its MAIL FROM name, and a first DMARC record. "
        "Each record is a group; a link names the groups of a domain's own records.",
        variable_description=described,
        sync_pub_key_domain=provider.key_domain,
        sync_redirect_domain=",".join(provider.redirect_domains) or None,
        multi_instance=True,
        records=tuple(record for _, record in _rows(provider)),
    )


def apply_record(provider: ServiceProvider, sender: str, planned: PlannedRecord) -> AppliedRecord | None:
    """Return how the template sets a planned record exactly as planned; None where it can't."""
    for ids, record in _rows(provider):
        if planned.id not in ids:
            continue
        variables = _variables_of(record, sender, planned)
        if variables is not None:
            return AppliedRecord(id=planned.id, group=record.group_id or "", variables=variables)
    return None


def _rows(provider: ServiceProvider) -> list[tuple[tuple[RecordId, ...], TemplateRecord]]:
    """Return the records of the template, each with the planned records that it can set."""
    rows: list[tuple[tuple[RecordId, ...], TemplateRecord]] = [
        ((RecordId.DKIM,), _key_record("dkim", "rsa", "dkimselector", "dkimkey")),
        ((RecordId.DKIM_NEXT,), _key_record("dkim-next", "rsa", "nextselector", "nextkey")),
        ((RecordId.DKIM_ED25519,), _key_record("dkim-ed25519", "ed25519", "edselector", "edkey")),
        ((RecordId.DKIM_ED25519_NEXT,), _key_record("dkim-ed25519-next", "ed25519", "ednextselector", "ednextkey")),
    ]
    if provider.key_zone is not None:
        for selector in (FIRST, SECOND):
            alias = TemplateRecord(
                type="CNAME",
                group_id=f"dkim-{selector}",
                essential="OnApply",
                host=f"{selector}._domainkey",
                points_to=f"{selector}.%keytoken%.{provider.key_zone}",
                ttl=TTL,
            )
            rows.append(((RecordId.DKIM, RecordId.DKIM_NEXT), alias))
    for label in provider.labels if provider.path is not None else ():
        assert provider.path is not None  # noqa: S101 the loop is empty then
        mx = TemplateRecord(
            type="MX",
            group_id=f"mx-{label}",
            essential="OnApply",
            host=label,
            points_to=provider.path.mx_host,
            priority=provider.path.mx_priority,
            ttl=TTL,
        )
        merged = TemplateRecord(
            type="SPFM", group_id=f"spf-{label}", essential="OnApply", host=label, spf_rules=provider.path.spf
        )
        rows += [((RecordId.MAIL_FROM_MX,), mx), ((RecordId.MAIL_FROM_SPF,), merged)]
    policy = TemplateRecord(
        type="TXT",
        group_id="dmarc",
        essential="OnApply",
        host="_dmarc",
        data=dmarc.planned_record("").value,
        txt_conflict_matching_mode="Prefix",
        txt_conflict_matching_prefix="v=DMARC1",
        ttl=TTL,
    )
    return [*rows, ((RecordId.DMARC,), policy)]


def _key_record(group: str, algorithm: str, selector: str, key: str) -> TemplateRecord:
    return TemplateRecord(
        type="TXT",
        group_id=group,
        essential="OnApply",
        host=f"%{selector}%._domainkey",
        data=f"v=DKIM1; k={algorithm}; p=%{key}%",
        txt_conflict_matching_mode="All",  # a verifier may take any of several keys (RFC 6376 3.6.2.2)
        ttl=TTL,
    )


def _variables_of(record: TemplateRecord, sender: str, planned: PlannedRecord) -> dict[str, str] | None:
    """Return the variables with which a template's record is the planned one, None where there are none."""
    if record.type == "SPFM":
        written, text = "TXT", spf.planned_record("", record.spf_rules or "").value
    else:
        written, text = record.type, record.data or record.points_to or ""
    if (planned.rdtype, planned.priority) != (written, record.priority):
        return None
    variables: dict[str, str] = {}
    for pattern, value in ((record.host, relative_name(planned.host, sender)), (text, planned.value)):
        found = _as_expression(pattern).fullmatch(value)
        if found is None:
            return None
        variables |= found.groupdict()
    return variables


def _as_expression(text: str) -> re.Pattern[str]:
    """Return an expression for a template's text, with a named group for each variable."""
    pieces = re.split(r"%([a-z0-9]+)%", text)
    return re.compile(
        "".join(f"(?P<{piece}>{VARIABLES[piece]})" if at % 2 else re.escape(piece) for at, piece in enumerate(pieces))
    )
