"""Settings are read once and refused early, by name, with an example; what is secret is never shown."""

import base64
import os
import re
import stat
import threading
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import msgspec
import pytest

from letterhead.adapters.keyring_settings import new_key_text, parse_keys
from letterhead.adapters.providers import PROVIDERS
from letterhead.config import (
    PREFIX,
    SYSTEM_FILE,
    TABLE,
    Exposure,
    HostPort,
    ImapServer,
    LogFormat,
    MxFailure,
    MxTarget,
    PostgresServer,
    RateLimit,
    SenderAddress,
    Setting,
    Settings,
    SmtpServer,
    SocketPath,
    SqliteFile,
    StartTls,
    is_database_chosen,
    key_text,
    page,
    read,
    rows,
    system_resolvers,
)
from letterhead.config.key_zone import TsigKey
from letterhead.config.table import ProviderName
from letterhead.core.accounts.accounts import Scope
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind

ROOT = Path(__file__).parent.parent
TOKEN = "canary-7Q2mZ-operator-token"
TOPIC = "arn:aws:sns:eu-west-1:123456789012:letterhead"
PAIR = {"MAIL_FROM_MX": "bounces.example.net", "MAIL_FROM_SPF": "include:spf.example.net"}
OPENID = {"OIDC_ISSUER": "https://id.example.net", "OIDC_CLIENT_ID": "x", "OIDC_CLIENT_SECRET": "s"}
TSIG_SECRET = "c2l4dGVlbiBvY3RldHMgb3IgbW9yZQ=="
KEY_ZONE = {
    "DKIM_ZONE": "keys.test", "DKIM_ZONE_SERVER": "ns1.test:5300",
    "DKIM_ZONE_TSIG": f"k.test:hmac-sha512:{TSIG_SECRET}",
}  # fmt: skip
TLS = {"RELAY_CERTIFICATE": "relay.pem", "RELAY_CERTIFICATE_KEY": "relay.key"}
PROOF = {"PROOF_MAILBOX": "p@example.net", "PROOF_SMTP_URL": "smtp://h"}
BESIDE = {
    **PAIR, **OPENID, **PROOF, **TLS, **KEY_ZONE, "MAIL_SENDER": "post@example.net", "PUBLIC_URL": "http://a.example",
    "OIDC_GROUPS_CLAIM": "roles",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def with_settings(**texts: str) -> dict[str, str]:
    return {"PATH": "/bin", **{PREFIX + name: text for name, text in texts.items()}}


def refused(environ: dict[str, str], folder: Path) -> Fault:
    with pytest.raises(Fault) as caught:
        read(environ, folder)
    assert caught.value.kind is Kind.CONFIG_INVALID
    assert caught.value.fix
    return caught.value


def open_value(value: object) -> object:
    """Open secrets, so that they can be compared."""
    match value:
        case SmtpServer(password=Secret() as password):
            user = f"{value.user}:{reveal(password).decode()}@"
            return f"smtp{'s' if value.implicit_tls else ''}://{user}{value.host}:{value.port}"
        case ImapServer():
            return f"imaps://{value.user}:{reveal(value.password).decode()}@{value.host}:{value.port}"
        case Secret():
            return reveal(value).decode()
        case TsigKey():
            return f"{value.name}:{value.algorithm}:{base64.b64encode(reveal(value.secret)).decode()}"
        case PostgresServer():
            return reveal(value.url).decode()
        case _:
            return value


def test_defaults_work(folder: Path) -> None:
    """With nothing set the service starts on this machine, on an embedded database."""
    settings = read({}, folder)
    assert settings == Settings(
        data_dir=Path("data"),
        database_url=SqliteFile(Path("data/letterhead.db")),
        database_prepared=None,
        database_read_url=None,
        bind=HostPort("127.0.0.1", 8025),
        socket_mode=0o660,
        public_url="http://127.0.0.1:8025",
        trusted_proxies=(),
        disk_reserve_mb=100,
        provider=ProviderName.DNS,
        ses_region=None,
        ses_endpoint_url=None,
        ses_mx_failure=MxFailure.DEFAULT,
        ses_calls_per_second=1,
        ses_notice_topics=(),
        ses_tenants=False,
        dns_resolvers=None,
        dns_authoritative_port=53,
        dns_packets_per_second=None,
        dns_networks=(),
        dns_servers=(),
        allow_special_use=False,
        keys=None,
        operator_token=None,
        expose_private_dkim=Exposure.FULL,
        mail_from_mx=None,
        mail_from_spf=None,
        mail_from_label="lh",
        own_domains=(),
        unproven_below=20,
        rotate_dkim_days=0,
        dkim_zone=None,
        dkim_zone_server=None,
        dkim_zone_tsig=None,
        covers_subdomains=True,
        ed25519=False,
        domain_connect_provider=None,
        domain_connect_service="mail",
        domain_connect_key_domain=None,
        domain_connect_hosts=(),
        smtp_url=None,
        smtp_starttls=StartTls.REQUIRED,
        mail_sender=None,
        relay_smarthost=None,
        relay_smarthost_starttls=StartTls.REQUIRED,
        relay_bind=HostPort("127.0.0.1", 8587),
        relay_tls_bind=None,
        relay_certificate=None,
        relay_certificate_key=None,
        relay_auth_in_clear=False,
        relay_host=None,
        relay_proxies=(),
        relay_queue=Path("data/relay"),
        relay_max_size=25_000_000,
        relay_account_messages=10_000,
        relay_account_mb=1000,
        relay_keep_days=5,
        relay_connections=8,
        relay_metrics_bind=None,
        proof_mailbox=None,
        proof_smtp_url=None,
        proof_imap_url=None,
        key_pool=64,
        check_concurrency=50,
        check_timeout_seconds=20,
        rate_limit=RateLimit(50, 100),
        brand_name="Letterhead",
        brand_logo=None,
        brand_colour=None,
        support=None,
        embed_origins=(),
        oidc_issuer=None,
        oidc_client_id=None,
        oidc_client_secret=None,
        oidc_scopes=("openid",),
        oidc_account_claim="letterhead_account",
        oidc_scope_claim="letterhead_scope",
        oidc_scope=Scope.READ,
        oidc_domain_claim=None,
        oidc_groups_claim=None,
        oidc_operator_group=None,
        worker_metrics_bind=None,
        webhooks_allow_http=False,
        webhooks_allow_private=False,
        keep_events_days=400,
        keep_snapshots_days=90,
        keep_deliveries_days=30,
        opentelemetry=False,
        opentelemetry_parent=True,
        log_format=None,
    )
    assert settings.return_path is None


def test_table_and_fields_agree() -> None:
    """Every row of the table has a typed field, in the same order, and every field a row."""
    assert [setting.name.lower() for setting in TABLE] == list(Settings.__struct_fields__)
    assert all(setting.what and setting.example for setting in TABLE)
    assert all(setting.default or setting.unset for setting in TABLE)


def test_provider_names_are_the_registry() -> None:
    """Every provider can be set, and every one that can be set exists."""
    assert set(ProviderName) == set(PROVIDERS)


@pytest.mark.parametrize("setting", TABLE, ids=lambda setting: setting.name)
def test_example_is_right(setting: Setting, folder: Path) -> None:
    """Each example works as printed; those of secrets parse, and are refused because everybody knows them."""
    beside = {**BESIDE, "DATABASE_URL": "postgresql://h/d"} if setting.name == "DATABASE_READ_URL" else BESIDE
    environ = with_settings(**{**beside, setting.name: setting.example})
    if setting.secret:
        assert "everybody knows" in refused(environ, folder).detail
        assert open_value(setting.parse(setting.example)) == setting.example
    else:
        field = setting.name.lower()
        assert getattr(read(environ, folder), field) != getattr(read({}, folder), field)


GOOD = [
    ("DATA_DIR", "/srv/my data", Path("/srv/my data")),
    ("DATABASE_URL", "sqlite:///here.db", SqliteFile(Path("here.db"))),
    ("DATABASE_URL", "sqlite:////srv/l.db", SqliteFile(Path("/srv/l.db"))),
    ("DATABASE_URL", "postgresql://u:p@h:5433/d?sslmode=require", "postgresql://u:p@h:5433/d?sslmode=require"),
    ("DATABASE_URL", "postgres://h/d", "postgresql://h/d"),
    ("DATABASE_URL", "postgresql://u:p@h1:5433,h2:5434/d", "postgresql://u:p@h1:5433,h2:5434/d"),
    ("DATABASE_PREPARED", "off", False),
    ("DATABASE_URL", "postgresql:///d?host=/run/postgresql", "postgresql:///d?host=/run/postgresql"),
    ("BIND", "0.0.0.0:80", HostPort("0.0.0.0", 80)),
    ("BIND", "[::1]:8025", HostPort("::1", 8025)),
    ("BIND", "[0:0::1]:8025", HostPort("::1", 8025)),
    ("BIND", "LocalHost:8025", HostPort("localhost", 8025)),
    ("PUBLIC_URL", "https://l.example.com/", "https://l.example.com"),
    ("PUBLIC_URL", "http://l.example.com:81/mail/", "http://l.example.com:81/mail"),
    ("PROVIDER", "Simulated", ProviderName.SIMULATED),
    ("SES_REGION", "us-gov-west-1", "us-gov-west-1"),
    ("SES_MX_FAILURE", "reject", MxFailure.REJECT),
    ("DNS_RESOLVERS", "1.1.1.1", (HostPort("1.1.1.1", 53),)),
    ("DNS_RESOLVERS", "127.0.0.1:5353, ::1,[::1]:54 ,[2001:db8::1]", None),
    ("DNS_AUTHORITATIVE_PORT", "5300", 5300),
    ("DNS_PACKETS_PER_SECOND", "10", 10),
    ("DNS_NETWORKS", "10.0.0.0/8, fd00::/8", (IPv4Network("10.0.0.0/8"), IPv6Network("fd00::/8"))),
    ("ALLOW_SPECIAL_USE", "yes", True),
    ("ALLOW_SPECIAL_USE", "0", False),
    ("KEYS", "k1:x", "k1:x"),
    ("OPERATOR_TOKEN", TOKEN, TOKEN),
    ("EXPOSE_PRIVATE_DKIM", "never", Exposure.NEVER),
    ("ED25519", "on", True),
    ("MAIL_FROM_MX", "Bounces.Example.NET.", MxTarget(10, "bounces.example.net")),
    ("MAIL_FROM_MX", "0 bounces.example.net", MxTarget(0, "bounces.example.net")),
    ("MAIL_FROM_SPF", "include:_spf.example.net  ip4:192.0.2.0/24", "include:_spf.example.net ip4:192.0.2.0/24"),
    ("MAIL_FROM_SPF", "ip6:2001:db8::/32 a:out.example.net", "ip6:2001:db8::/32 a:out.example.net"),
    ("MAIL_FROM_LABEL", "Bounce", "bounce"),
    ("SES_NOTICE_TOPICS", f"{TOPIC},{TOPIC}-2", (TOPIC, f"{TOPIC}-2")),
    ("DKIM_ZONE", "Keys.Example.net.", "keys.example.net"),
    ("DKIM_ZONE_SERVER", "[2001:db8::53]:53", HostPort("2001:db8::53", 53)),
    (
        "DKIM_ZONE_TSIG",
        f"Update_1.Example.net.:HMAC-SHA384:{TSIG_SECRET}",
        f"update_1.example.net:hmac-sha384:{TSIG_SECRET}",
    ),
    ("OWN_DOMAINS", "Example.com, xn--bcher-kva.example", ("example.com", "xn--bcher-kva.example")),
    ("SMTP_URL", "smtps://u:p%40ss@mail.example.net", "smtps://u:p@ss@mail.example.net:465"),
    ("SMTP_URL", "smtp://127.0.0.1", SmtpServer(host="127.0.0.1", port=587, implicit_tls=False)),
    ("SMTP_URL", "smtp://[::1]:25/", SmtpServer(host="::1", port=25, implicit_tls=False)),
    ("SMTP_STARTTLS", "Never", StartTls.NEVER),
    ("PROOF_IMAP_URL", "imaps://u:p%40ss@mail.example.net", "imaps://u:p@ss@mail.example.net:993"),
    ("MAIL_SENDER", "dns@example.net", SenderAddress(address="dns@example.net")),
    ("MAIL_SENDER", "Bücher, Ltd <dns@example.net>", SenderAddress(address="dns@example.net", name="Bücher, Ltd")),
    ("BIND", "unix:/run/l.sock", SocketPath(Path("/run/l.sock"))),
    ("SOCKET_MODE", "0600", 0o600),
    ("KEY_POOL", "1", 1),
    ("RATE_LIMIT", "5/s", RateLimit(5, 10)),
    ("RATE_LIMIT", "5/s burst 5", RateLimit(5, 5)),
    ("LOG_FORMAT", "json", LogFormat.JSON),
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_right_value_is_read(name: str, text: str, value: object, folder: Path) -> None:
    """Each form that a person would write is read into one typed value."""
    if value is None:
        value = (HostPort("127.0.0.1", 5353), HostPort("::1", 53), HostPort("::1", 54), HostPort("2001:db8::1", 53))
    settings = read(with_settings(**{**BESIDE, name: f" {text} "}), folder)
    assert open_value(getattr(settings, name.lower())) == value


WRONG = [
    ("DATABASE_URL", "mysql://h/d", "begins neither"),
    ("DATABASE_URL", "postgresql+asyncpg://h/d", "begins neither"),
    ("DATABASE_URL", "sqlite://l.db", "begins neither"),
    ("DATABASE_URL", "postgresql:/u:pw-7Q2mZ@h/d", "begins neither"),
    ("DATABASE_URL", "mysql://u:pw-7Q2mZ@h/d", "begins neither"),
    ("DATABASE_URL", "host=h user=u password=7Q2mZ", "begins neither"),
    ("DATABASE_URL", "postgresql://u:p7Q2mZ@h:x/d", "host or a port"),
    ("DATABASE_URL", "sqlite:///", "names no file"),
    ("DATABASE_URL", "sqlite:///:memory:", "names no file"),
    ("DATABASE_URL", "postgresql://h:54321x/d", "host or a port"),
    ("DATABASE_URL", "postgresql://h:99999/d", "host or a port"),
    ("DATABASE_READ_URL", "sqlite:///r.db", "does not begin with postgresql://"),
    ("BIND", "unix:letterhead.sock", "absolute path"),
    ("BIND", "unix:/run/letterhead/", "absolute path"),
    ("BIND", "unix:@letterhead", "absolute path"),
    ("BIND", "unix:/" + "ü" * 54, "over 107 octets"),
    ("SOCKET_MODE", "rw", "octal"),
    ("SOCKET_MODE", "668", "octal"),
    ("SOCKET_MODE", "4660", "octal"),
    ("BIND", "8025", "no port, or no host"),
    ("BIND", "localhost", "no port"),
    ("BIND", ":8025", "no host"),
    ("BIND", "::1:8025", "not host:port"),
    ("BIND", "[::1]", "no port"),
    ("BIND", "[::x]:8025", "no address between its brackets"),
    ("BIND", "127.0.0.1:0", "whole number from 1 to 65535"),
    ("BIND", "127.0.0.1:65536", "whole number from 1 to 65535"),
    ("BIND", "127.0.0.1:٣", "whole number from 1 to 65535"),
    ("BIND", "*:8025", "neither a name nor an address"),
    ("PUBLIC_URL", "letterhead.example.com", "not an http://"),
    ("PUBLIC_URL", "ftp://l.example.com", "not an http://"),
    ("PUBLIC_URL", "https://", "not an http://"),
    ("PUBLIC_URL", "https://[::1", "host or a port"),
    ("PUBLIC_URL", "https://u:pass-7Q2mZ@l.example.com", "only scheme, host, port and path"),
    ("PUBLIC_URL", "https://l.example.com/?a=b", "only scheme, host, port and path"),
    ("DNS_NETWORKS", "dns.corp.example", "other than addresses and networks"),
    ("TRUSTED_PROXIES", "proxy.example.com", "other than addresses and networks"),
    ("TRUSTED_PROXIES", "10.1.2.3/8", "bits set behind its length"),
    ("TRUSTED_PROXIES", "127.0.0.1,", "a comma at an end"),
    ("SES_REGION", "Ireland", "is not the name of an AWS region"),
    ("SES_REGION", "eu-west-1.evil.example", "is not the name of an AWS region"),
    ("PROVIDER", "ses2", "is none of: dns, simulated, ses"),
    ("DNS_RESOLVERS", "dns.example.net", "must hold addresses"),
    ("DNS_RESOLVERS", "1.1.1.1,,9.9.9.9", "nothing between two commas"),
    ("DNS_RESOLVERS", "1.1.1.1,", "a comma at an end"),
    ("DNS_RESOLVERS", "1.1.1.1:x", "has a port that"),
    ("DNS_AUTHORITATIVE_PORT", "0", "whole number"),
    ("DNS_PACKETS_PER_SECOND", "0", "whole number"),
    ("DNS_AUTHORITATIVE_PORT", "5 3", "whole number"),
    ("ALLOW_SPECIAL_USE", "maybe", "neither true nor false"),
    ("OPERATOR_TOKEN", "7Q2mZ-short", "has 11 characters"),
    ("OPERATOR_TOKEN", "7Q2mZ token with spaces in it", "printable ASCII"),
    ("OPERATOR_TOKEN", "7Q2mZ-token-with-ümlaut-in-it", "printable ASCII"),
    ("EXPOSE_PRIVATE_DKIM", "always", "is none of: full, never"),
    ("MAIL_FROM_MX", "bounces", "one label"),
    ("MAIL_FROM_MX", "192.0.2.1", "must name a host"),
    ("MAIL_FROM_MX", "ten bounces.example.net", "whole number from 0 to 65535"),
    ("MAIL_FROM_MX", "10 bounces_example.net", "letters, digits"),
    ("MAIL_FROM_SPF", "v=spf1 include:spf.example.net", "neither v=spf1 nor all"),
    ("MAIL_FROM_SPF", "include:spf.example.net -all", "neither v=spf1 nor all"),
    ("MAIL_FROM_SPF", "spf.example.net", "a term other than"),
    ("MAIL_FROM_SPF", "ip4:2001:db8::1", "without an IPv4 address"),
    ("MAIL_FROM_LABEL", "lh.bounce", "not one label"),
    ("MAIL_FROM_LABEL", "-lh", "not one label"),
    ("OWN_DOMAINS", "bücher.example", "xn--"),
    ("SES_NOTICE_TOPICS", "letterhead", "other than ARNs"),
    ("DKIM_ZONE", "keys", "two labels or more"),
    ("DKIM_ZONE", f"{'a.' * 100}net", "200 characters at most"),
    ("DKIM_ZONE", "key zone.net", "holds a name"),
    ("DKIM_ZONE_SERVER", "ns1.example.net", "has no port"),
    ("DKIM_ZONE_TSIG", f"letterhead:{TSIG_SECRET}", "is not name:algorithm:secret"),
    ("DKIM_ZONE_TSIG", f"letter head:hmac-sha256:{TSIG_SECRET}", "a key name that is not"),
    ("DKIM_ZONE_TSIG", f"letterhead:hmac-md5:{TSIG_SECRET}", "none of: hmac-sha256"),
    ("DKIM_ZONE_TSIG", f"letterhead:hmac-sha1:{TSIG_SECRET}", "none of: hmac-sha256"),
    ("DKIM_ZONE_TSIG", "letterhead:hmac-sha256:short", "is not base64"),
    ("DKIM_ZONE_TSIG", "letterhead:hmac-sha256:c2hvcnQ=", "a secret of 5 octets"),
    ("SES_NOTICE_TOPICS", f"{TOPIC},arn:aws:sqs:eu-west-1:123456789012:letterhead", "other than ARNs"),
    ("KEY_POOL", "0", "whole number from 1 to 4096"),
    ("KEY_POOL", "many", "whole number"),
    ("RATE_LIMIT", "fast", "requests per second"),
    ("RATE_LIMIT", "50/s burst 10", "no smaller than the rate"),
    ("RATE_LIMIT", "0/s", "at least 1"),
    ("SMTP_URL", "http://u:7Q2mZ@h", "begins neither with smtp://"),
    ("SMTP_URL", "smtp://u:7Q2mZ@h/x", "only user, password, host and port"),
    ("SMTP_URL", "smtp://u@h", "user without a password"),
    ("PROOF_IMAP_URL", "imap://u:7Q2mZ@h", "does not begin with imaps://"),
    ("PROOF_IMAP_URL", "imaps://h", "no user and password"),
    ("PROOF_IMAP_URL", "imaps://u:7Q2mZ@h/INBOX", "only user, password, host and port"),
    ("SMTP_URL", "smtp://u:7Q2mZ@", "neither a name nor an address"),
    ("MAIL_SENDER", "nobody", "name@host"),
    ("MAIL_SENDER", "A <a@b>, c@d", "neither an address"),
    ("MAIL_SENDER", "A\r\nBcc: x <a@b.test>", "neither an address"),
    ("LOG_FORMAT", "xml", "is none of: console, json"),
]


@pytest.mark.parametrize(("name", "text", "problem"), WRONG)
def test_wrong_value_is_named(name: str, text: str, problem: str, folder: Path) -> None:
    """A wrong value is refused with the setting's name, the problem, where it came from and an example."""
    fault = refused(with_settings(**{**BESIDE, name: text}), folder)
    setting = next(setting for setting in TABLE if setting.name == name)
    assert fault.detail.startswith(f"{PREFIX}{name} from the environment ")
    assert problem in fault.detail
    assert setting.example in str(fault.fix)
    assert "7Q2mZ" not in f"{fault.detail} {fault.fix}"


def test_a_file_has_no_replica(folder: Path) -> None:
    """A replica beside the embedded database would never be read: refused by name, without its password."""
    fault = refused(with_settings(DATABASE_READ_URL="postgresql://u:p7Q2mZ@h/d"), folder)
    assert fault.detail.startswith(f"{PREFIX}DATABASE_READ_URL is set, and {PREFIX}DATABASE_URL is a file")
    assert "7Q2mZ" not in f"{fault.detail} {fault.fix}"


@pytest.mark.parametrize(("there", "missing"), [("MAIL_FROM_MX", "MAIL_FROM_SPF"), ("MAIL_FROM_SPF", "MAIL_FROM_MX")])
def test_mail_from_is_both_or_neither(there: str, missing: str, folder: Path) -> None:
    """Half a MAIL FROM would be a record that customers publish in vain."""
    fault = refused(with_settings(**{there: PAIR[there]}), folder)
    assert PREFIX + there in fault.detail
    assert fault.detail.startswith(PREFIX + missing)
    assert read(with_settings(**PAIR), folder).return_path == ReturnPath(
        mx_host="bounces.example.net", mx_priority=10, spf="include:spf.example.net"
    )


def test_mail_is_whole_and_never_signs_in_in_clear(folder: Path) -> None:
    """A mail server without a sender is refused, and so is a password on a connection without TLS."""
    fault = refused(with_settings(SMTP_URL="smtp://h"), folder)
    assert fault.detail.startswith(f"{PREFIX}MAIL_SENDER is not set")
    fault = refused(with_settings(SMTP_URL="smtp://u:7Q2mZ@h", SMTP_STARTTLS="never", **BESIDE), folder)
    assert "in clear" in fault.detail
    assert "7Q2mZ" not in f"{fault.detail} {fault.fix}"
    read(with_settings(SMTP_URL="smtps://u:p@h", SMTP_STARTTLS="never", **BESIDE), folder)


def test_ses_takes_no_other_mx(folder: Path) -> None:
    """A return path of one's own and SES contradict each other: SES looks for its own MX alone."""
    fault = refused(
        with_settings(PROVIDER="ses", MAIL_FROM_MX="mx.example.net", MAIL_FROM_SPF="mx:example.net"), folder
    )
    assert "takes no other MX" in fault.detail


@pytest.mark.parametrize("provider", ["ses", "simulated"])
def test_ed25519_is_for_those_who_sign_themselves(provider: str, folder: Path) -> None:
    """A provider that signs has no use for a second key: refused by name, and not silently left out."""
    fault = refused(with_settings(ED25519="on", PROVIDER=provider), folder)
    assert "LETTERHEAD_ED25519 is on" in fault.detail
    assert f"LETTERHEAD_PROVIDER={provider}" in fault.detail
    assert read(with_settings(ED25519="on", PROVIDER="dns"), folder).ed25519


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("LETTERHEAD_DATABSE_URL", "Did you mean LETTERHEAD_DATABASE_URL?"),
        ("LETTERHEAD_RESOLVERS", "Did you mean LETTERHEAD_DNS_RESOLVERS?"),
        ("LETTERHEAD_bind", "Did you mean LETTERHEAD_BIND?"),
        ("LETTERHEAD_QQQQ", "Take it away."),
        ("LETTERHEAD_", "Take it away."),
    ],
)
def test_unknown_variable_is_refused(name: str, advice: str, folder: Path) -> None:
    """A misspelt variable never leaves a default in its place unseen."""
    fault = refused({name: "x"}, folder)
    assert repr(name) in fault.detail
    assert advice in str(fault.fix)


def test_variables_of_others_are_let_be(folder: Path) -> None:
    """The client's variables, and what Kubernetes adds for a service named letterhead, are no settings."""
    others = {"URL": "http://h", "API_KEY": "k", "SERVICE_HOST": "10.0.0.1", "SERVICE_PORT_HTTP": "80"}
    others |= {"PORT": "tcp://10.0.0.1:80", "PORT_80_TCP": "tcp://10.0.0.1:80", "PORT_80_TCP_ADDR": "10.0.0.1"}
    assert read(with_settings(**others), folder) == read({}, folder)
    assert "'LETTERHEAD_PORT'" in refused(with_settings(PORT="8025"), folder).detail


def test_public_url_follows_bind(folder: Path) -> None:
    """Unless it is set, links lead to where the service listens; not to 0.0.0.0, where nobody can go."""
    assert read(with_settings(BIND="[::1]:80"), folder).public_url == "http://[::1]:80"
    assert read(with_settings(BIND="0.0.0.0:80"), folder).public_url == "http://127.0.0.1:80"
    assert read(with_settings(BIND="[::]:80"), folder).public_url == "http://[::1]:80"


def test_a_unix_socket_needs_a_public_url(folder: Path) -> None:
    """No URL follows from a socket's path, so it is asked for by name."""
    with pytest.raises(Fault) as caught:
        read(with_settings(BIND="unix:/run/l.sock"), folder)
    assert "LETTERHEAD_PUBLIC_URL is not set" in caught.value.detail


def test_a_value_may_lie_in_a_file(folder: Path) -> None:
    """A setting's variable with _FILE names a file with its value, without the line's end; both at once are refused."""
    token = "a-token-that-nobody-guesses"
    (folder / "token").write_text(f"{token}\n")
    (folder / "empty").write_text("\n")
    (folder / "binary").write_bytes(b"\xff")
    found = read(with_settings(OPERATOR_TOKEN_FILE="token", KEY_POOL="3"), folder)
    assert open_value(found.operator_token) == token
    shown = rows(with_settings(OPERATOR_TOKEN_FILE="token"), folder)
    (row,) = [row for row in shown if row.name.endswith("OPERATOR_TOKEN")]
    assert (row.value, row.source) == ("***", "token")
    for wrong, said in (("gone", "No such file"), ("empty", "is empty"), ("binary", "no text"), (".", "directory")):
        with pytest.raises(Fault) as caught:
            read(with_settings(OPERATOR_TOKEN_FILE=wrong), folder)
        assert said in caught.value.detail
        assert "OPERATOR_TOKEN_FILE" in caught.value.detail
    with pytest.raises(Fault) as caught:
        read(with_settings(OPERATOR_TOKEN_FILE="token", OPERATOR_TOKEN=token), folder)
    assert "OPERATOR_TOKEN is set, and LETTERHEAD_OPERATOR_TOKEN_FILE" in caught.value.detail
    assert token not in caught.value.detail
    with pytest.raises(Fault, match="no setting"):
        read(with_settings(OPERATR_TOKEN_FILE="token"), folder)


@pytest.mark.parametrize("name", ["DATA_DIR", "RELAY_CERTIFICATE", "RELAY_CERTIFICATE_KEY", "RELAY_QUEUE"])
def test_a_path_lies_in_no_file(folder: Path, name: str) -> None:
    """The content of a file is never taken for a path, and shown as one: it may be a private key."""
    (folder / "key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    for each in (read, rows):
        with pytest.raises(Fault, match=f"LETTERHEAD_{name}_FILE is set") as caught:
            each(with_settings(**{f"{name}_FILE": "key.pem"}), folder)
        assert f"Name the file in LETTERHEAD_{name} itself" in (caught.value.fix or "")
        assert "PRIVATE" not in f"{caught.value.detail} {caught.value.fix}"


def test_database_follows_data_dir(folder: Path) -> None:
    """Moving the data folder moves the database, relative or absolute, whatever characters it has."""
    for text in ("/srv/{x}", "some where"):
        assert read(with_settings(DATA_DIR=text), folder).database_url == SqliteFile(Path(text) / "letterhead.db")


def test_environment_beats_file_beats_default(folder: Path) -> None:
    """Each setting comes from the nearest place that has it; an empty variable is none."""
    (folder / "letterhead.toml").write_text(
        'bind = "127.0.0.1:1"\nkey_pool = 7\nallow_special_use = true\n'
        'dns_resolvers = ["127.0.0.1", "::1"]\nmail_from_label = "file"\n'
    )
    environ = with_settings(BIND="127.0.0.1:2", MAIL_FROM_LABEL="")
    settings = read(environ, folder)
    assert settings.bind == HostPort("127.0.0.1", 2)
    assert (settings.key_pool, settings.allow_special_use, settings.mail_from_label) == (7, True, "file")
    assert settings.dns_resolvers == (HostPort("127.0.0.1", 53), HostPort("::1", 53))
    sources = {row.name.removeprefix(PREFIX): row.source for row in rows(environ, folder)}
    assert sources["BIND"] == "environment"
    assert sources["KEY_POOL"] == str(folder / "letterhead.toml")
    assert sources["PROVIDER"] == "default"


def test_file_of_the_machine_comes_last(folder: Path, tmp_path: Path) -> None:
    """A command without a file of its own reads that of this machine's service, if it is told where that lies."""
    system = tmp_path / "system.toml"
    assert read(with_settings(), folder, system).bind == HostPort("127.0.0.1", 8025)
    system.write_text('bind = "127.0.0.1:5"')
    assert read(with_settings(), folder).bind == HostPort("127.0.0.1", 8025)
    assert read(with_settings(), folder, system).bind == HostPort("127.0.0.1", 5)
    (folder / "other.toml").write_text('bind = "127.0.0.1:3"')
    assert read(with_settings(CONFIG="other.toml"), folder, system).bind == HostPort("127.0.0.1", 3)
    (folder / "letterhead.toml").write_text('bind = "127.0.0.1:4"')
    assert read(with_settings(), folder, system).bind == HostPort("127.0.0.1", 4)


@pytest.mark.parametrize("mode", [0o000, 0o755], ids=["folder", "file"])
def test_a_file_that_may_not_be_read_is_told(mode: int, folder: Path, tmp_path: Path) -> None:
    """A user who may not read the service's settings is told whose they are, and gets no other database instead."""
    closed = tmp_path / "closed"
    closed.mkdir()
    (closed / "own.toml").write_text('bind = "127.0.0.1:5"')
    (closed / "own.toml").chmod(0)
    closed.chmod(mode)
    is_root = os.geteuid() == 0
    if is_root:
        os.seteuid(65534)
    try:
        with pytest.raises(Fault, match="may not be read by this user") as caught:
            read(with_settings(), folder, closed / "own.toml")
    finally:
        if is_root:
            os.seteuid(0)
        closed.chmod(0o755)
    assert caught.value.kind is Kind.CONFIG_INVALID


@pytest.mark.parametrize(
    ("variables", "text", "chosen"),
    [
        ({}, "", False),
        ({}, 'bind = "127.0.0.1:5"', False),
        ({"DATA_DIR": "/srv"}, "", True),
        ({"DATABASE_URL": "sqlite:///own.db"}, "", True),
        ({}, 'data_dir = "/srv"', True),
        ({}, 'database_url = "postgresql://db.internal/letterhead"', True),
    ],
)
def test_whether_the_database_was_chosen(
    variables: dict[str, str], text: str, chosen: bool, folder: Path, tmp_path: Path
) -> None:
    """A database that stands at its default was chosen by nobody, whatever else is set."""
    (tmp_path / "system.toml").write_text(text)
    environ = {f"LETTERHEAD_{name}": value for name, value in variables.items()}
    assert is_database_chosen(environ, folder, tmp_path / "system.toml") is chosen


def test_file_is_named_by_the_environment(folder: Path) -> None:
    """Another file can be named; one that was named and is not there is refused."""
    (folder / "other.toml").write_text('bind = "127.0.0.1:3"')
    (folder / "letterhead.toml").write_text('bind = "127.0.0.1:4"')
    assert read(with_settings(CONFIG="other.toml"), folder).bind == HostPort("127.0.0.1", 3)
    assert read(with_settings(CONFIG=str(folder / "other.toml")), Path("/")).bind == HostPort("127.0.0.1", 3)
    assert "LETTERHEAD_CONFIG" in refused(with_settings(CONFIG="gone.toml"), folder).detail


@pytest.mark.parametrize(
    ("text", "problem", "fix"),
    [
        ("databse_url = 'x'", "'databse_url' in", "Did you mean database_url?"),
        ("BIND = '127.0.0.1:1'", "'BIND' in", "Did you mean bind?"),
        ("[bind]\nport = 1", "LETTERHEAD_BIND from", 'bind = "[::1]:8025"'),
        ("bind = [['x']]", "LETTERHEAD_BIND from", 'bind = "[::1]:8025"'),
        ("key_pool = 1.5", "LETTERHEAD_KEY_POOL from", 'key_pool = "256"'),
        ("key_pool = 0", "is not a whole number from 1 to 4096", 'key_pool = "256"'),
        ("bind = ", "can't be read as TOML", "bind = "),
        ("bind = '1'\nbind = '2'", "can't be read as TOML", "bind = "),
        ("\udcff", "can't be read as TOML", "bind = "),
    ],
)
def test_wrong_file_is_named(text: str, problem: str, fix: str, folder: Path) -> None:
    """A mistake in the file is told with the file's path, the key, and how it is written."""
    path = folder / "letterhead.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    fault = refused({}, folder)
    assert problem in fault.detail
    assert str(path) in fault.detail
    assert fix in str(fault.fix)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:pw-7Q2mZ@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:pw-7Q2mZ@at#h@h/d", "postgresql://u:***@h/d"),
        ("postgresql://u:pw-7Q2mZ@h1:5433,h2:5434/d", "postgresql://u:***@h1:5433,h2:5434/d"),
        ("postgresql://h/d?user=u&password=pw-7Q2mZ", "postgresql://h/d?user=u&password=***"),
        ("postgresql://h/d?sslpassword=7Q2mZ&sslmode=require", "postgresql://h/d?sslpassword=***&sslmode=require"),
    ],
)
def test_secrets_are_masked(url: str, shown: str, folder: Path) -> None:
    """Neither the rows of `letterhead config` nor the settings when printed show a password, key or token."""
    environ = with_settings(DATABASE_URL=url, OPERATOR_TOKEN=TOKEN, KEYS="k1:7Q2mZ")
    found = {row.name.removeprefix(PREFIX): row for row in rows(environ, folder)}
    assert found["DATABASE_URL"].value == shown
    assert found["KEYS"].value == found["OPERATOR_TOKEN"].value == "***"
    assert "7Q2mZ" not in f"{found!r} {read(environ, folder)!r}"


def test_rows_tell_everything(folder: Path) -> None:
    """Every setting has a row with a value or what happens without one, and its meaning."""
    found = rows({}, folder)
    assert [row.name for row in found] == [PREFIX + setting.name for setting in TABLE]
    assert all(row.value and row.source == "default" and row.what for row in found)
    assert {row.name: row.value for row in found}["LETTERHEAD_PUBLIC_URL"] == "http://127.0.0.1:8025"


def test_rows_of_wrong_settings_are_refused(folder: Path) -> None:
    """`letterhead config` refuses what a start would refuse."""
    with pytest.raises(Fault):
        rows(with_settings(BIND="x"), folder)


def test_the_units_and_the_command_read_one_file(folder: Path, tmp_path: Path) -> None:
    """Each unit names the file that the command reads by itself, and the example of it can be read."""
    for unit in (ROOT / "deploy").glob("*.service"):
        lines = unit.read_text("utf-8").splitlines()
        assert f"Environment={PREFIX}CONFIG={SYSTEM_FILE}" in lines, unit.name
        assert not [line for line in lines if line.startswith("EnvironmentFile=")], unit.name
    example = (ROOT / "deploy" / "letterhead.toml").read_text("utf-8").replace("password@", "another@")
    assert f"# {SYSTEM_FILE}:" in example
    (tmp_path / "as-it-is.toml").write_text(example)
    assert isinstance(read(with_settings(), folder, tmp_path / "as-it-is.toml").database_url, SqliteFile)
    example = re.sub(r"^# (\w+ = )", r"\1", example, flags=re.MULTILINE)
    (tmp_path / "own.toml").write_text(example)
    settings = read(with_settings(), folder, tmp_path / "own.toml")
    assert isinstance(settings.database_url, PostgresServer)
    assert settings.keys is None


def test_docs_are_made_of_the_table() -> None:
    """The committed page is what the table says."""
    assert (ROOT / "docs" / "configuration.md").read_text("utf-8") == page()


# --- what the machine adds -------------------------------------------------------------------------------------


def settings_in(folder: Path, **texts: str) -> Settings:
    return read(with_settings(DATA_DIR=str(folder / "data"), **texts), folder)


def test_keys_are_made_once(folder: Path) -> None:
    """The first start writes a key that only its user can read, and every later one finds it."""
    settings = settings_in(folder)
    made = key_text(settings, new_key_text)
    path = folder / "data" / "keys"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path], "no draft is left"
    assert len(parse_keys(reveal(made).decode())) == 1
    for make in (new_key_text, None):
        assert reveal(key_text(settings, make)) == reveal(made) == path.read_bytes().strip()


def test_processes_that_start_together_agree(folder: Path) -> None:
    """Of two first starts at one time one key wins, and both use it."""
    settings = settings_in(folder)
    together = threading.Barrier(8)
    found: list[bytes] = []

    def start() -> None:
        def make() -> str:
            together.wait()  # every one has seen that there is no file
            return new_key_text()

        found.append(reveal(key_text(settings, make)))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_set_keys_need_no_file(folder: Path) -> None:
    """Keys from the environment are used as they are, and nothing is written."""
    assert reveal(key_text(settings_in(folder, KEYS="k1:x"), new_key_text)) == b"k1:x"
    assert list(folder.iterdir()) == []


def test_postgres_needs_keys(folder: Path) -> None:
    """Several processes can't each make their own key."""
    with pytest.raises(Fault) as caught:
        key_text(settings_in(folder, DATABASE_URL="postgresql://h/d"), new_key_text)
    assert caught.value.kind is Kind.CONFIG_INVALID
    assert "LETTERHEAD_KEYS" in caught.value.detail
    assert list(folder.iterdir()) == []


def test_lost_key_file_is_not_replaced(folder: Path) -> None:
    """Where sealed secrets exist a missing file is told, and nothing is written in its place."""
    with pytest.raises(Fault) as caught:
        key_text(settings_in(folder), None)
    assert caught.value.kind is Kind.KEYRING_WRONG
    assert str(folder / "data" / "keys") in caught.value.detail
    assert list(folder.iterdir()) == []


def test_key_file_open_to_all_is_refused(folder: Path) -> None:
    """A key that every user of the machine can read is no key."""
    settings = settings_in(folder)
    key_text(settings, new_key_text)
    path = folder / "data" / "keys"
    path.chmod(0o644)
    with pytest.raises(Fault, match="mode 0644"):
        key_text(settings, new_key_text)
    path.chmod(0o660)
    assert reveal(key_text(settings, new_key_text)).decode() == path.read_text().strip()


def test_folder_that_is_a_file_is_told(folder: Path) -> None:
    """A data folder that can't be made is told by its setting's name."""
    (folder / "data").write_text("")
    with pytest.raises(Fault) as caught:
        key_text(settings_in(folder), new_key_text)
    assert caught.value.kind is Kind.CONFIG_INVALID
    assert "LETTERHEAD_DATA_DIR" in str(caught.value.fix)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("nameserver 192.0.2.1\n", ["192.0.2.1"]),
        ("# nameserver 192.0.2.9\nsearch a b\n  nameserver\t::1 # note\nnameserver oops\nnameserver\n", ["::1"]),
        ("".join(f"nameserver 192.0.2.{n}\n" for n in range(5)), ["192.0.2.0", "192.0.2.1", "192.0.2.2"]),
        ("", ["127.0.0.1"]),
        (None, ["127.0.0.1"]),
    ],
)
def test_system_resolvers(text: str | None, hosts: list[str], folder: Path) -> None:
    """The machine's own resolvers are used, three at most; none named means the machine itself."""
    path = folder / "resolv.conf"
    if text is not None:
        path.write_text(text)
    assert system_resolvers(path) == tuple(HostPort(host, 53) for host in hosts)


def test_settings_do_not_change(folder: Path) -> None:
    """Nobody changes a setting after the start."""
    settings = read({}, folder)
    with pytest.raises(AttributeError):
        settings.key_pool = 1  # type: ignore[misc] # this is what must fail
    assert msgspec.structs.replace(settings, key_pool=1).key_pool == 1


@pytest.mark.parametrize("left_out", KEY_ZONE)
def test_a_key_zone_is_whole_or_not_there(left_out: str, folder: Path) -> None:
    """Zone, server and key go together: the one that lacks is named, and no secret is repeated."""
    environ = with_settings(**{name: text for name, text in KEY_ZONE.items() if name != left_out})
    detail = refused(environ, folder).detail
    assert f"{PREFIX}{left_out} is not set" in detail
    assert TSIG_SECRET not in detail


@pytest.mark.parametrize("left_out", OPENID)
def test_half_of_openid_is_refused(left_out: str, folder: Path) -> None:
    """Issuer, client id and secret go together; what is missing is named."""
    given = {name: text for name, text in OPENID.items() if name != left_out}
    assert f"LETTERHEAD_{left_out} is not set" in refused(with_settings(**given), folder).detail


@pytest.mark.parametrize(
    "issuer", ["http://id.example.net", "id.example.net", "https://", "https://id.example.net/?x=1", "https://a/#b"]
)
def test_an_issuer_is_https(issuer: str, folder: Path) -> None:
    """Codes and the secret go there, so that it is https; on this machine alone http will do."""
    assert "OIDC_ISSUER" in refused(with_settings(**{**OPENID, "OIDC_ISSUER": issuer}), folder).detail
    local = {**OPENID, "OIDC_ISSUER": "http://127.0.0.1:8080/realms/x/"}
    assert read(with_settings(**local), folder).oidc_issuer == "http://127.0.0.1:8080/realms/x/"


def test_the_operators_group_needs_the_groups(folder: Path) -> None:
    """Without the claim nobody would ever be in it."""
    half = with_settings(**OPENID, OIDC_OPERATOR_GROUP="ops")
    assert "LETTERHEAD_OIDC_GROUPS_CLAIM is not" in refused(half, folder).detail
    whole = with_settings(**OPENID, OIDC_OPERATOR_GROUP="/ops team", OIDC_GROUPS_CLAIM="groups")
    assert read(whole, folder).oidc_operator_group == "/ops team"


@pytest.mark.parametrize("scopes", ["email", "openid,email", 'openid "x"', "openid é", "openid " + "x" * 201])
def test_the_scopes_have_openid_among_them(scopes: str, folder: Path) -> None:
    """Without `openid` there is no ID token; a comma in between would be one scope that no provider knows."""
    assert "OIDC_SCOPES" in refused(with_settings(**OPENID, OIDC_SCOPES=scopes), folder).detail
    several = read(with_settings(**OPENID, OIDC_SCOPES="openid  email openid"), folder)
    assert several.oidc_scopes == ("openid", "email")


@pytest.mark.parametrize(
    ("texts", "problem"),
    [
        ({"RELAY_CERTIFICATE": "relay.pem"}, "RELAY_CERTIFICATE_KEY is not set, and goes with"),
        ({"RELAY_CERTIFICATE_KEY": "relay.key"}, "RELAY_CERTIFICATE is not set, and goes with"),
        ({"RELAY_TLS_BIND": "127.0.0.1:465"}, "RELAY_CERTIFICATE is not set, and goes with LETTERHEAD_RELAY_TLS_BIND"),
        ({"RELAY_BIND": "[::]:587"}, "would send API keys in clear to [::]:587"),
        (
            {"RELAY_SMARTHOST": "smtp://u:7Q2mZ@h", "RELAY_SMARTHOST_STARTTLS": "never"},
            "RELAY_SMARTHOST has a password to be sent in clear",
        ),
    ],
)
def test_half_a_relay_is_refused(folder: Path, texts: dict[str, str], problem: str) -> None:
    """What would take keys or passwords over the network in clear, or can't do TLS, is refused by name."""
    fault = refused(with_settings(**texts), folder)
    assert problem in fault.detail
    assert "7Q2mZ" not in fault.detail
    assert "'never'" not in str(fault.fix)  # what was refused is not the advice


def test_a_relay_in_clear_is_for_this_machine(folder: Path) -> None:
    """Keys are taken in clear on loopback, and elsewhere by explicit wish alone."""
    for address in ("127.0.0.1:587", "[::1]:587", "localhost:587"):
        assert not read(with_settings(RELAY_BIND=address), folder).relay_auth_in_clear
    assert read(with_settings(RELAY_BIND="0.0.0.0:587", RELAY_AUTH_IN_CLEAR="yes"), folder).relay_auth_in_clear
