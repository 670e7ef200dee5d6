"""Knows every setting: its name, default, form and meaning, once. `letterhead config` and the docs are made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import msgspec

from letterhead.config import values
from letterhead.config.values import (
    Endpoint,
    Exposure,
    LogFormat,
    Mailbox,
    MxTarget,
    PostgresServer,
    RateLimit,
    SmtpServer,
    SqliteFile,
    StartTls,
)
from letterhead.core.identity import ReturnPath
from letterhead.core.secret import Secret

PREFIX = "LETTERHEAD_"


class ProviderName(StrEnum):
    """Names the providers that can be set."""

    DNS = "dns"
    SIMULATED = "simulated"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Holds every setting, read and checked; each field is a row of the table in lower case."""

    data_dir: Path
    database_url: SqliteFile | PostgresServer
    bind: Endpoint
    public_url: str
    provider: ProviderName
    dns_resolvers: tuple[Endpoint, ...] | None
    dns_authoritative_port: int
    allow_special_use: bool
    keys: Secret | None
    operator_token: Secret | None
    expose_private_dkim: Exposure
    mail_from_mx: MxTarget | None
    mail_from_spf: str | None
    mail_from_label: str
    own_domains: tuple[str, ...]
    smtp_url: SmtpServer | None
    smtp_starttls: StartTls
    mail_sender: Mailbox | None
    webhooks_allow_http: bool
    webhooks_allow_private: bool
    keep_events_days: int
    keep_snapshots_days: int
    keep_deliveries_days: int
    key_pool: int
    check_concurrency: int
    check_timeout_seconds: int
    rate_limit: RateLimit
    worker_metrics_bind: Endpoint | None
    log_format: LogFormat | None

    @property
    def return_path(self) -> ReturnPath | None:
        """Joins the operator's own MAIL FROM target, where one is set."""
        mx, spf = self.mail_from_mx, self.mail_from_spf
        if mx is None or spf is None:
            return None
        return ReturnPath(mx_host=mx.host, mx_priority=mx.priority, spf=spf)


@dataclass(frozen=True, slots=True)
class Setting:
    """Describes one setting.

    `default` may hold earlier settings in braces; where there is none, `unset` says what happens then.
    """

    name: str
    default: str | None
    parse: Callable[[str], object]
    example: str
    what: str
    secret: bool = False
    unset: str = ""


TABLE = (
    Setting(
        "DATA_DIR",
        "./data",
        values.read_path,
        "/var/lib/letterhead",
        "Folder for what is kept on this machine: the embedded database and its keys. Made with mode 0700.",
    ),
    Setting(
        "DATABASE_URL",
        "sqlite:///{DATA_DIR}/letterhead.db",
        values.read_database,
        "postgresql://letterhead:password@db.internal/letterhead",
        "Where everything is stored: a file (four slashes before an absolute path), or Postgres for several processes.",
    ),
    Setting(
        "BIND",
        "127.0.0.1:8025",
        values.read_endpoint,
        "[::1]:8025",
        "Address and port to listen on. Behind a reverse proxy keep it on this machine.",
    ),
    Setting(
        "PUBLIC_URL",
        "http://{BIND}",
        values.read_public_url,
        "https://letterhead.example.com",
        "The URL under which people and clients reach the service: it stands in links.",
    ),
    Setting(
        "PROVIDER",
        "dns",
        values.one_of(ProviderName),
        "simulated",
        "Who sends the mail: `dns` is no provider (DNS decides, your own server signs), `simulated` is for trying out.",
    ),
    Setting(
        "DNS_RESOLVERS",
        None,
        values.read_resolvers,
        "127.0.0.1,[::1]:5353",
        "Addresses of recursive resolvers, with the port where it is not 53. With three, two must agree.",
        unset="those of /etc/resolv.conf",
    ),
    Setting(
        "DNS_AUTHORITATIVE_PORT",
        "53",
        values.number(1, 65535),
        "5300",
        "Port of the domains' own nameservers. Other than 53 only in test installations.",
    ),
    Setting(
        "ALLOW_SPECIAL_USE",
        "false",
        values.read_truth,
        "true",
        "Takes names such as `acme.test` too, which nobody can own. For test installations.",
    ),
    Setting(
        "KEYS",
        None,
        values.read_secret,
        "k1:YW4gZXhhbXBsZTogZG8gbm90IHVzZSB0aGlzIGtleSE=",
        "Keys that seal private keys at rest, as `id:base64 of 32 octets` with commas between: the first seals, all "
        "open. `openssl rand -base64 32` makes one. Without them all DKIM keys are lost: keep a copy elsewhere.",
        secret=True,
        unset="made at the first start in DATA_DIR/keys with the embedded database; required with Postgres",
    ),
    Setting(
        "OPERATOR_TOKEN",
        None,
        values.read_token,
        "write-what-openssl-rand-hex-24-prints",
        "Token for operator actions (accounts, limits), of 24 characters or more. `openssl rand -hex 24` makes one.",
        secret=True,
        unset="operator actions are refused",
    ),
    Setting(
        "EXPOSE_PRIVATE_DKIM",
        "full",
        values.one_of(Exposure),
        "never",
        "Whether `privateDKIMKey` is answered to full-scope API keys (`full`) or to nobody (`never`).",
    ),
    Setting(
        "MAIL_FROM_MX",
        None,
        values.read_mx,
        "10 bounces.example.net",
        "Your own bounce host, as `host` or `priority host`: customers point their MAIL FROM domain's MX at it. "
        "Goes with MAIL_FROM_SPF.",
        unset="with the provider `dns` no MAIL FROM records are planned",
    ),
    Setting(
        "MAIL_FROM_SPF",
        None,
        values.read_spf,
        "include:spf.example.net",
        "SPF terms that authorise your servers, without `v=spf1` and `all`. Goes with MAIL_FROM_MX.",
        unset="with the provider `dns` no MAIL FROM records are planned",
    ),
    Setting(
        "MAIL_FROM_LABEL",
        "lh",
        values.read_label,
        "bounce",
        "First label of a MAIL FROM domain, unless a domain names its own: `lh` makes `lh.acme.dev`.",
    ),
    Setting(
        "OWN_DOMAINS",
        "",
        values.read_hosts,
        "example.com,example.net",
        "Your own domains, with commas between: no account may add them or names below them.",
        unset="none",
    ),
    Setting(
        "SMTP_URL",
        None,
        values.read_smtp,
        "smtp://letterhead:an-example-of-a-password@mail.example.com:587",
        "Mail server that reminders are handed to: `smtp://user:password@host:587` turns to TLS by STARTTLS, "
        "`smtps://` with port 465 begins with it. The certificate must be valid for the host. Goes with MAIL_SENDER.",
        secret=True,
        unset="reminders are recorded and not sent",
    ),
    Setting(
        "SMTP_STARTTLS",
        "required",
        values.one_of(StartTls),
        "never",
        "Whether an `smtp://` connection must turn to TLS before anything is said; `never` is for a relay on this "
        "machine, without a password.",
    ),
    Setting(
        "MAIL_SENDER",
        None,
        values.read_mailbox,
        "Letterhead <dns@example.com>",
        "Who reminders come from, as `address` or `Name <address>`. Goes with SMTP_URL.",
        unset="reminders are recorded and not sent",
    ),
    Setting(
        "WEBHOOKS_ALLOW_HTTP",
        "false",
        values.read_truth,
        "true",
        "Takes webhooks with `http://` too. For test installations and closed networks.",
    ),
    Setting(
        "WEBHOOKS_ALLOW_PRIVATE",
        "false",
        values.read_truth,
        "true",
        "Lets webhooks lead to addresses that are not public, this machine's own too: whoever may add a webhook "
        "can then reach all that this server reaches. For test installations and closed networks.",
    ),
    Setting(
        "KEEP_EVENTS_DAYS",
        "400",
        values.number(1, 36500),
        "3650",
        "How long events are kept. Those since a domain entered its present state stay for as long as it lasts.",
    ),
    Setting(
        "KEEP_SNAPSHOTS_DAYS",
        "90",
        values.number(1, 36500),
        "30",
        "How long the checks behind events are kept, by the same rule; a domain's last check is always there.",
    ),
    Setting(
        "KEEP_DELIVERIES_DAYS",
        "30",
        values.number(1, 36500),
        "90",
        "How long webhooks that arrived or were given up are kept, with every attempt.",
    ),
    Setting(
        "KEY_POOL",
        "64",
        values.number(1, 4096),
        "256",
        "How many DKIM keys are made ahead, so that no request waits for one.",
    ),
    Setting(
        "CHECK_CONCURRENCY",
        "50",
        values.number(1, 1000),
        "20",
        "How many domains one worker checks at the same time.",
    ),
    Setting(
        "CHECK_TIMEOUT_SECONDS",
        "20",
        values.number(1, 60),  # well within the worker's lease
        "30",
        "Seconds that one check of one domain may take, all questions together.",
    ),
    Setting(
        "RATE_LIMIT",
        "50/s burst 100",
        values.read_rate,
        "10/s burst 50",
        "Requests that each API key may make per second, and at once after a rest; counted per process.",
    ),
    Setting(
        "WORKER_METRICS_BIND",
        None,
        values.read_endpoint,
        "127.0.0.1:8026",
        "Where `letterhead worker` tells its own numbers (checks, calls of the provider) in Prometheus' form.",
        unset="a worker in a process of its own tells none; one beside the API tells them in `/metrics`",
    ),
    Setting(
        "LOG_FORMAT",
        None,
        values.one_of(LogFormat),
        "json",
        "How logs are written: `console` for people, `json` for programs.",
        unset="`console` at a terminal, `json` elsewhere",
    ),
)
