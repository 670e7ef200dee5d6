"""The operator as a Domain Connect service provider, and the DNS hosts whose API is asked."""

from urllib.parse import urlsplit

from letterhead.config import Settings
from letterhead.core.check.preflight import MORE_LABELS
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.core.domain_connect.host_settings import DomainConnectHost
from letterhead.core.domain_connect.template import ServiceProvider
from letterhead.errors import Fault, Kind
from letterhead.wiring.dns import load_domain_connect_hosts


def service_provider(settings: Settings, path: ReturnPath | None) -> ServiceProvider | None:
    """Return the operator as a service provider, or None where none is set; `path` is the mail provider's."""
    provider_id = settings.domain_connect_provider
    if provider_id is None:
        return None
    parts = urlsplit(settings.public_url)
    return ServiceProvider(
        provider_id=provider_id,
        provider_name=settings.brand_name,
        service_id=settings.domain_connect_service,
        service_name="E-mail from your own domain",
        key_domain=settings.domain_connect_key_domain or provider_id,
        redirect_origins=tuple(dict.fromkeys((f"{parts.scheme}://{parts.netloc}", *settings.embed_origins))),
        logo_url=settings.brand_logo,
        labels=tuple(dict.fromkeys((settings.mail_from_label, *MORE_LABELS))),
        path=path,
        key_zone=settings.dkim_zone,
    )


def domain_connect_hosts(settings: Settings) -> tuple[DomainConnectHost, ...]:
    """Return the hosts whose API is asked; Fault `config-invalid` for one by http where that is not allowed."""
    added = settings.domain_connect_hosts
    if any(each.lower().startswith("http://") for each in added) and not settings.webhooks_allow_http:
        raise Fault(
            Kind.CONFIG_INVALID,
            "LETTERHEAD_DOMAIN_CONNECT_HOSTS names an API with http://, and only https is taken.",
            "Write it with https://; in a test installation set LETTERHEAD_WEBHOOKS_ALLOW_HTTP=true.",
        )
    own = tuple(
        DomainConnectHost(name=each.rpartition("://")[2], discovery=(each,), api=(each,), source="setting", checked="")
        for each in added
    )
    return own + load_domain_connect_hosts()
