"""The adapters behind the signing relay's ports, and its TLS certificate.

Apart from wiring/assemble.py, so that only the relay loads an SMTP client.
"""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from letterhead.adapters import mail_queue
from letterhead.adapters.certificate import Certificate, read_certificate
from letterhead.adapters.dkim_signer import DkimSigner
from letterhead.adapters.smart_host import SECONDS, SmartHostAddress, SmtpSmartHost
from letterhead.config import Settings, StartTls
from letterhead.core.relay.queue import QueuedMessage, QueueUsage
from letterhead.errors import Fault, Kind
from letterhead.ports.relay import RelayDeps, RelayResult
from letterhead.wiring.assemble import MB, queue_reserve


@asynccontextmanager
async def relaying(settings: Settings) -> AsyncIterator[RelayDeps]:
    """Open what the relay needs: the queue, which one process locks, and the client of the smart host.

    Fault `config-invalid` where no smart host is set, or the queue can't be opened.
    """
    host = settings.relay_host or socket.getfqdn()
    smart_host = new_smart_host(settings, host)
    with mail_queue.open_queue(settings.relay_queue, queue_reserve(settings)) as queue:
        try:
            yield RelayDeps(
                queue=queue,
                signer=DkimSigner(),
                smart_host=smart_host,
                host=host,
                keep=timedelta(days=settings.relay_keep_days),
                opened=set(),
                usage=QueueUsage(settings.relay_account_messages, settings.relay_account_mb * MB),
                account_field=tenant_field if settings.ses_tenants else _no_field,
            )
        finally:
            await smart_host.close()


def new_smart_host(settings: Settings, host: str, seconds: float = SECONDS) -> SmtpSmartHost:
    """Return the client of the smart host, which names itself `host`; Fault `config-invalid` where none is set."""
    server = settings.relay_smarthost
    if server is None:
        raise Fault(
            Kind.CONFIG_INVALID,
            "LETTERHEAD_RELAY_SMARTHOST is not set, and the relay would not know where to hand mail to.",
            "Write LETTERHEAD_RELAY_SMARTHOST=smtp://user:password@smtp.example.com:587",
        )
    return SmtpSmartHost(
        SmartHostAddress(
            host=server.host,
            port=server.port,
            implicit_tls=server.implicit_tls,
            starttls=settings.relay_smarthost_starttls is StartTls.REQUIRED,
            helo=host,
            user=server.user,
            password=server.password,
            seconds=seconds,
        )
    )


async def try_smart_host(settings: Settings, seconds: float) -> RelayResult:
    """Connect to the smart host and sign in, each step within so many seconds, and send nothing."""
    return await new_smart_host(settings, settings.relay_host or socket.getfqdn(), seconds).try_connection()


def read_oldest(settings: Settings) -> tuple[int, QueuedMessage | None]:
    """Return how many messages the relay's queue has, and the oldest; Fault `config-invalid` where it can't be read."""
    return mail_queue.read_oldest(settings.relay_queue)


def describe_certificate(settings: Settings) -> Certificate | None:
    """Load the relay's certificate as a start would, and return what is in it; None where none is set.

    Fault `config-invalid` where it does not load.
    """
    if certificate(settings) is None or settings.relay_certificate is None:
        return None
    return read_certificate(settings.relay_certificate)


def certificate_end(settings: Settings) -> datetime:
    """Return until when the relay's certificate holds, as its file is now."""
    assert settings.relay_certificate is not None  # noqa: S101 whoever asks has one
    return read_certificate(settings.relay_certificate).ends


def tenant_field(installation: str, account_id: str) -> str:
    """Return the field by which SES knows the tenant of an account; SES removes it."""
    from letterhead.adapters.providers.ses.tenants import tenant_of  # only for those who use it

    return f"X-SES-TENANT: {tenant_of(f'{installation}/{account_id}/')}\r\n"


def _no_field(_installation: str, _account_id: str) -> str:
    return ""


def certificate(settings: Settings) -> ssl.SSLContext | None:
    """Load the relay's certificate, None where none is set; Fault `config-invalid` where it does not load."""
    if settings.relay_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996, RFC 9325 3.1.1
    try:
        load_certificate(context, settings)
    except (OSError, ssl.SSLError) as error:
        raise Fault(
            Kind.CONFIG_INVALID,
            f"The relay's certificate {settings.relay_certificate} does not load: {error.strerror or error}.",
            "Let LETTERHEAD_RELAY_CERTIFICATE and LETTERHEAD_RELAY_CERTIFICATE_KEY name a certificate and its own key, "
            "both PEM and readable for the user that runs Letterhead.",
        ) from error
    return context


def load_certificate(context: ssl.SSLContext, settings: Settings) -> None:
    """Load the certificate as its files are now, for the connections that begin later."""
    chain, key = settings.relay_certificate, settings.relay_certificate_key
    assert chain is not None  # noqa: S101 the settings were checked
    context.load_cert_chain(chain, key, password="")
