"""Every setting: name, default, parser, example and meaning. `letterhead config` and the docs are made of it."""
# Long because it is one table: every setting, once, each with what it means.

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import msgspec

from letterhead.config import branding, domain_connect, key_zone, mail_servers, values
from letterhead.config.key_zone import TsigKey
from letterhead.config.mail_servers import ImapServer, SmtpServer
from letterhead.config.networks import read_networks
from letterhead.config.values import (
    Exposure,
    HostPort,
    LogFormat,
    MxFailure,
    MxTarget,
    PostgresServer,
    RateLimit,
    SenderAddress,
    SocketPath,
    SqliteFile,
    StartTls,
)
from letterhead.core.accounts.accounts import Scope
from letterhead.core.domain.provider_identity import ReturnPath
from letterhead.core.secret import Secret

PREFIX = "LETTERHEAD_"


class ProviderName(StrEnum):
    """The mail providers that can be set."""

    DNS = "dns"
    SIMULATED = "simulated"
    SES = "ses"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting, parsed and checked; each field is named as a row of the table, in lower case."""

    data_dir: Path
    database_url: SqliteFile | PostgresServer
    database_prepared: bool | None
    database_read_url: PostgresServer | None
    bind: HostPort | SocketPath
    socket_mode: int
    public_url: str
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...]
    disk_reserve_mb: int
    provider: ProviderName
    ses_region: str | None
    ses_endpoint_url: str | None
    ses_mx_failure: MxFailure
    ses_calls_per_second: int
    ses_notice_topics: tuple[str, ...]
    ses_tenants: bool
    dns_resolvers: tuple[HostPort, ...] | None
    dns_authoritative_port: int
    dns_packets_per_second: int | None
    dns_networks: tuple[IPv4Network | IPv6Network, ...]
    dns_servers: tuple[HostPort, ...]
    allow_special_use: bool
    keys: Secret | None
    operator_token: Secret | None
    expose_private_dkim: Exposure
    mail_from_mx: MxTarget | None
    mail_from_spf: str | None
    mail_from_label: str
    own_domains: tuple[str, ...]
    unproven_below: int
    rotate_dkim_days: int
    dkim_zone: str | None
    dkim_zone_server: HostPort | None
    dkim_zone_tsig: TsigKey | None
    covers_subdomains: bool
    ed25519: bool
    domain_connect_provider: str | None
    domain_connect_service: str
    domain_connect_key_domain: str | None
    domain_connect_hosts: tuple[str, ...]
    smtp_url: SmtpServer | None
    smtp_starttls: StartTls
    mail_sender: SenderAddress | None
    relay_smarthost: SmtpServer | None
    relay_smarthost_starttls: StartTls
    relay_bind: HostPort
    relay_tls_bind: HostPort | None
    relay_certificate: Path | None
    relay_certificate_key: Path | None
    relay_auth_in_clear: bool
    relay_host: str | None
    relay_proxies: tuple[IPv4Network | IPv6Network, ...]
    relay_queue: Path
    relay_max_size: int
    relay_account_messages: int
    relay_account_mb: int
    relay_keep_days: int
    relay_connections: int
    relay_metrics_bind: HostPort | None
    proof_mailbox: SenderAddress | None
    proof_smtp_url: SmtpServer | None
    proof_imap_url: ImapServer | None
    webhooks_allow_http: bool
    webhooks_allow_private: bool
    keep_events_days: int
    keep_snapshots_days: int
    keep_deliveries_days: int
    key_pool: int
    check_concurrency: int
    check_timeout_seconds: int
    rate_limit: RateLimit
    brand_name: str
    brand_logo: str | None
    brand_colour: str | None
    support: str | None
    embed_origins: tuple[str, ...]
    oidc_issuer: str | None
    oidc_client_id: str | None
    oidc_client_secret: Secret | None
    oidc_scopes: tuple[str, ...]
    oidc_account_claim: str
    oidc_scope_claim: str
    oidc_scope: Scope
    oidc_domain_claim: str | None
    oidc_groups_claim: str | None
    oidc_operator_group: str | None
    worker_metrics_bind: HostPort | None
    opentelemetry: bool
    opentelemetry_parent: bool
    log_format: LogFormat | None

    @property
    def return_path(self) -> ReturnPath | None:
        """The operator's own MAIL FROM target, or None where none is set."""
        mx, spf = self.mail_from_mx, self.mail_from_spf
        if mx is None or spf is None:
            return None
        return ReturnPath(mx_host=mx.host, mx_priority=mx.priority, spf=spf)


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table.

    `default` may hold earlier settings in braces; where it is None, `unset` describes what happens then.
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
        "DATABASE_PREPARED",
        None,
        values.read_truth,
        "false",
        "Whether Postgres prepares statements by name: `false` behind PgBouncer in transaction mode, unless it is "
        "version 1.21 or newer with `max_prepared_statements` (docs/scaling.md).",
        unset="`true`, or `false` where a pooler is found before the server",
    ),
    Setting(
        "DATABASE_READ_URL",
        None,
        values.read_postgres,
        "postgresql://letterhead:password@replica.internal/letterhead",
        "A streaming replica of the Postgres database, from which lists are read while it follows (docs/scaling.md).",
        unset="all is read from DATABASE_URL",
    ),
    Setting(
        "BIND",
        "127.0.0.1:8025",
        values.read_listener,
        "[::1]:8025",
        "Address and port to listen on, or a Unix socket, as `unix:/run/letterhead/letterhead.sock`. Behind a reverse "
        "proxy keep it on this machine. Over a Unix socket `X-Forwarded-For` names the client: whoever may open it is "
        "trusted as a proxy. It needs PUBLIC_URL.",
    ),
    Setting(
        "SOCKET_MODE",
        "660",
        values.read_mode,
        "600",
        "Mode of the Unix socket that BIND names: with `660` the proxy's user has to be in the group of the service.",
    ),
    Setting(
        "PUBLIC_URL",
        "http://{BIND}",
        values.read_public_url,
        "https://letterhead.example.com",
        "The URL under which people and clients reach the service: it stands in links.",
    ),
    Setting(
        "TRUSTED_PROXIES",
        "",
        read_networks,
        "127.0.0.1,10.0.0.0/8",
        "Addresses and networks of your reverse proxies, with commas between. The client is then who they name in "
        "`X-Forwarded-For`: in the audit, and in the limits on failed sign-ins and on connections.",
        unset="none: every client has the address that its connection comes from",
    ),
    Setting(
        "DISK_RESERVE_MB",
        "100",
        values.number(1, 1_000_000),
        "1000",
        "The megabytes that should stay free on the disks of the embedded database and the relay's queue: with less, "
        "`/readyz` and `letterhead doctor` say so.",
    ),
    Setting(
        "PROVIDER",
        "dns",
        values.one_of(ProviderName),
        "simulated",
        "Who sends the mail: `dns` is no provider (DNS decides, your own server signs), `ses` is Amazon SES "
        "(docs/ses.md), `simulated` is for trying out.",
    ),
    Setting(
        "SES_REGION",
        None,
        values.read_region,
        "eu-west-1",
        "AWS region whose SES sends the mail: it stands in the MX that customers publish, so choose it once.",
        unset="AWS_REGION, AWS_DEFAULT_REGION or that of the AWS profile",
    ),
    Setting(
        "SES_ENDPOINT_URL",
        None,
        values.read_public_url,
        "https://vpce-0123-example.email.eu-west-1.vpce.amazonaws.com",
        "Where SES's API is reached, as by a VPC endpoint.",
        unset="AWS_ENDPOINT_URL_SESV2, or Amazon's own",
    ),
    Setting(
        "SES_MX_FAILURE",
        "default",
        values.one_of(MxFailure),
        "reject",
        "What SES does while a MAIL FROM domain's MX is not found: send with a return-path of its own (`default`), or "
        "refuse the mail (`reject`).",
    ),
    Setting(
        "SES_CALLS_PER_SECOND",
        "1",
        values.number(1, 100),
        "5",
        "Calls to SES's API that all processes together make per second. Amazon allows about 1 unless it raised that.",
    ),
    Setting(
        "SES_NOTICE_TOPICS",
        "",
        values.read_topics,
        "arn:aws:sns:eu-west-1:123456789012:letterhead",
        "Amazon SNS topics, as ARNs with commas between, whose notices `POST /provider/notices` takes (docs/ses.md).",
        unset="that answers 404",
    ),
    Setting(
        "SES_TENANTS",
        "false",
        values.read_truth,
        "true",
        "Gives each account an SES tenant of its own, with its identities in it. Needs more permissions (docs/ses.md).",
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
        "DNS_PACKETS_PER_SECOND",
        None,
        values.number(1, 100_000),
        "10",
        "Packets that one process sends at most per second to one address of the domains' own nameservers; more "
        "where proven domains of yours are served, and at registries. Checks wait for their turn (docs/scaling.md).",
        unset="20; no limit where DNS_AUTHORITATIVE_PORT is not 53",
    ),
    Setting(
        "DNS_NETWORKS",
        "",
        read_networks,
        "10.0.0.0/8,fd00::/8",
        "Private networks whose nameservers may be asked, with commas between, for domains that your own network "
        "resolves. Whoever may add a domain can then have DNS questions sent to any address there.",
        unset="none: only nameservers with public addresses are asked",
    ),
    Setting(
        "DNS_SERVERS",
        "",
        values.read_servers,
        "ns1.example.net:8081,192.0.2.53:53",
        "Servers of your accounts' own, as host:port with commas between, at which zones may be read and written: by "
        "PowerDNS' HTTP API or by RFC 2136. Whoever may plan records can have requests sent to these "
        "(docs/writing-records.md).",
        unset="none: zones are written at the companies of the table alone",
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
        "open. `openssl rand -base64 32` makes one. Without them all DKIM keys are lost: keep a copy elsewhere. "
        "`id:kms:ARN` is a key that AWS KMS keeps.",
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
        "UNPROVEN_BELOW",
        "20",
        values.number(1, 1_000_000),
        "100",
        "How many names without proof an account may have at and below one registrable domain, such as `acme.dev`, "
        "until it has proven that domain or a name between: their checks ask the name servers of somebody who may know "
        "nothing of it. An account with a limit of its own (`--pending-claims`) is not held to it.",
    ),
    Setting(
        "ROTATE_DKIM_DAYS",
        "0",
        values.number(0, 3650),
        "180",
        "Age in days at which a verified domain's DKIM key is to be replaced: a new one is made, and its record asked "
        "for. 0 replaces none by itself.",
    ),
    Setting(
        "DKIM_ZONE",
        None,
        key_zone.read_zone,
        "keys.example.net",
        "Zone of your own in which keys are published for customers who point two CNAMEs there once (docs/keys.md). "
        "Goes with DKIM_ZONE_SERVER and DKIM_ZONE_TSIG.",
        unset="customers publish every key themselves",
    ),
    Setting(
        "DKIM_ZONE_SERVER",
        None,
        values.read_endpoint,
        "ns1.example.net:53",
        "Primary server of that zone, which takes its updates (RFC 2136) over TCP.",
        unset="customers publish every key themselves",
    ),
    Setting(
        "DKIM_ZONE_TSIG",
        None,
        key_zone.read_tsig,
        "letterhead:hmac-sha256:YW4gZXhhbXBsZTogZG8gbm90IHVzZSB0aGlzIGtleSE=",
        "Key that signs the updates, as `name:algorithm:base64`, with hmac-sha256, hmac-sha384 or hmac-sha512. "
        "`openssl rand -base64 32` makes a secret.",
        secret=True,
        unset="customers publish every key themselves",
    ),
    Setting(
        "COVERS_SUBDOMAINS",
        "on",
        values.read_truth,
        "off",
        "Whether the key of each new domain signs for the names below it too (docs/subdomains.md), unless its account "
        "or the request says otherwise. Domains that are there keep what they have.",
    ),
    Setting(
        "ED25519",
        "off",
        values.read_truth,
        "on",
        "Whether each new domain, and each that changes its key, gets an Ed25519 key (RFC 8463) beside the RSA one, "
        "for those who sign themselves: with the provider `dns` only.",
    ),
    Setting(
        "DOMAIN_CONNECT_PROVIDER",
        None,
        domain_connect.read_domain,
        "example.net",
        "Domain of your own that names you as a Domain Connect service provider (docs/domain-connect.md): where a "
        "customer's DNS host has your template, the set-up page offers to have it add the records.",
        unset="customers add every record by hand",
    ),
    Setting(
        "DOMAIN_CONNECT_SERVICE",
        "mail",
        domain_connect.read_service,
        "transactional",
        "Name of your template beside that domain.",
    ),
    Setting(
        "DOMAIN_CONNECT_KEY_DOMAIN",
        None,
        domain_connect.read_domain,
        "connect.example.net",
        "Domain of your own below which the public keys of the links are published; `letterhead domain-connect key` "
        "prints the records.",
        unset="DOMAIN_CONNECT_PROVIDER",
    ),
    Setting(
        "DOMAIN_CONNECT_HOSTS",
        "",
        domain_connect.read_apis,
        "api.dns.example",
        "Further Domain Connect APIs that may be asked, with commas between, as the TXT record `_domainconnect` of a "
        "zone names them: a host, with port and path where it has them. `http://` before one, and private addresses, "
        "go with WEBHOOKS_ALLOW_HTTP and WEBHOOKS_ALLOW_PRIVATE.",
        unset="none",
    ),
    Setting(
        "SMTP_URL",
        None,
        mail_servers.read_smtp,
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
        "RELAY_SMARTHOST",
        None,
        mail_servers.read_smtp,
        "smtp://letterhead:an-example-of-a-password@smtp.example.com:587",
        "Mail server that the signing relay hands messages to, written like SMTP_URL. With the embedded database "
        "`run` and `serve` run the relay within; with Postgres it is `letterhead relay`.",
        secret=True,
        unset="there is no signing relay",
    ),
    Setting(
        "RELAY_SMARTHOST_STARTTLS",
        "required",
        values.one_of(StartTls),
        "never",
        "Whether an `smtp://` smart host must turn to TLS before anything is said; `never` is for one on this machine.",
    ),
    Setting(
        "RELAY_BIND",
        "127.0.0.1:8587",
        values.read_endpoint,
        "[::]:587",
        "Where the relay takes mail by SMTP, with STARTTLS where it has a certificate. Beyond this machine it must.",
    ),
    Setting(
        "RELAY_TLS_BIND",
        None,
        values.read_endpoint,
        "[::]:465",
        "Where the relay takes mail over TLS from the first octet (RFC 8314). Goes with RELAY_CERTIFICATE.",
        unset="the relay listens at RELAY_BIND alone",
    ),
    Setting(
        "RELAY_CERTIFICATE",
        None,
        values.read_path,
        "/etc/letterhead/relay.pem",
        "File with the relay's certificate and those above it, PEM; read again when it changes. "
        "Goes with RELAY_CERTIFICATE_KEY.",
        unset="no TLS: only for clients on this machine",
    ),
    Setting(
        "RELAY_CERTIFICATE_KEY",
        None,
        values.read_path,
        "/etc/letterhead/relay.key",
        "File with the private key of that certificate, PEM, without a passphrase.",
        unset="no TLS: only for clients on this machine",
    ),
    Setting(
        "RELAY_AUTH_IN_CLEAR",
        "false",
        values.read_truth,
        "true",
        "Takes API keys without TLS from beyond this machine too. For networks where nobody else listens.",
    ),
    Setting(
        "RELAY_HOST",
        None,
        values.read_host,
        "relay.example.com",
        "What the relay calls itself: to clients, to the smart host, in Received and in reports of failure.",
        unset="this machine's own name",
    ),
    Setting(
        "RELAY_PROXIES",
        "",
        read_networks,
        "10.0.0.5",
        "Addresses and networks of TCP proxies in front of the relay, with commas between. Their connections must all "
        "begin with a PROXY protocol header (version 1 or 2), which names the client. From others it is an error.",
        unset="none: every client has the address that its connection comes from",
    ),
    Setting(
        "RELAY_QUEUE",
        "{DATA_DIR}/relay",
        values.read_path,
        "/var/spool/letterhead",
        "Folder of the messages that were taken and not yet handed over. Of one relay alone; made with mode 0700.",
    ),
    Setting(
        "RELAY_MAX_SIZE",
        "25000000",
        values.number(64_000, 200_000_000),
        "10000000",
        "The largest message that the relay takes, in octets as they are sent.",
    ),
    Setting(
        "RELAY_ACCOUNT_MESSAGES",
        "10000",
        values.number(1, 10_000_000),
        "500",
        "How many messages of one account may wait in the relay's queue; further ones are refused for now (452 4.3.1).",
    ),
    Setting(
        "RELAY_ACCOUNT_MB",
        "1000",
        values.number(1, 1_000_000),
        "200",
        "How many megabytes the messages of one account may have that wait in the relay's queue.",
    ),
    Setting(
        "RELAY_KEEP_DAYS",
        "5",
        values.number(1, 30),
        "2",
        "How long a message is tried before its sender hears that it failed (RFC 5321 4.5.4.1 asks for 4 to 5 days).",
    ),
    Setting(
        "RELAY_CONNECTIONS",
        "8",
        values.number(1, 100),
        "2",
        "How many connections to the smart host there may be at once.",
    ),
    Setting(
        "RELAY_METRICS_BIND",
        None,
        values.read_endpoint,
        "127.0.0.1:8027",
        "Where `letterhead relay` tells its own numbers in Prometheus' form.",
        unset="a relay in a process of its own tells none; one beside the API tells them in `/metrics`",
    ),
    Setting(
        "PROOF_MAILBOX",
        None,
        values.read_mailbox,
        "proof@example.net",
        "Mailbox of yours that proofs are sent to: it should be on a server other than the one that sends "
        "(docs/proof.md).",
        unset="proofs are made of messages that are given, and none is sent",
    ),
    Setting(
        "PROOF_SMTP_URL",
        None,
        mail_servers.read_proof_smtp,
        "smtp://letterhead:an-example-of-a-password@relay.example.com:587",
        "Mail server that proofs are handed to, written as SMTP_URL is: the one that signs your customers' mail. Goes "
        "with PROOF_MAILBOX. `smtp://letterhead@127.0.0.1:8587`, without a password, is Letterhead's own relay, which "
        "takes proofs of every account.",
        secret=True,
        unset="that of SMTP_URL",
    ),
    Setting(
        "PROOF_IMAP_URL",
        None,
        mail_servers.read_imap,
        "imaps://proof:an-example-of-a-password@mail.example.net:993",
        "Where PROOF_MAILBOX is read, so that a proof that was sent is judged by itself. Nothing there is changed.",
        secret=True,
        unset="the message's source has to be given back",
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
        "Requests that each account may make per second, and at once after a rest, and three quarters of that with one "
        "API key; counted per process.",
    ),
    Setting(
        "BRAND_NAME",
        "Letterhead",
        branding.read_words,
        "Example Mail",
        "Name that the pages carry, the set-up page that your customers see above all.",
    ),
    Setting(
        "BRAND_LOGO",
        None,
        branding.read_web_address,
        "https://www.example.com/logo.svg",
        "Picture beside the name on the pages, 28 pixels high. It is fetched by the reader's browser.",
        unset="a picture of our own",
    ),
    Setting(
        "BRAND_COLOUR",
        None,
        branding.read_colour,
        "#7a1f5c",
        "Colour of buttons and links, as #rrggbb. It is made darker or lighter where it could not be read.",
        unset="a blue ink",
    ),
    Setting(
        "SUPPORT",
        None,
        branding.read_contact,
        "help@example.com",
        "Whom a reader of the set-up page may ask: an e-mail address or an https:// address.",
        unset="the page names nobody",
    ),
    Setting(
        "EMBED_ORIGINS",
        "",
        branding.read_origins,
        "https://app.example.com",
        "Web origins, with commas between, whose pages may show the set-up page in a frame. They get a `postMessage` "
        "when the domain is verified.",
        unset="none",
    ),
    Setting(
        "OIDC_ISSUER",
        None,
        branding.read_issuer,
        "https://login.example.com",
        "OpenID Connect provider that people may sign in with, beside API keys: its issuer, just as it names itself.",
        unset="people sign in with API keys alone",
    ),
    Setting(
        "OIDC_CLIENT_ID",
        None,
        branding.read_client,
        "letterhead",
        "Name of this installation at that provider. Its redirect URI there is PUBLIC_URL with /sign-in/openid/back.",
        unset="people sign in with API keys alone",
    ),
    Setting(
        "OIDC_CLIENT_SECRET",
        None,
        values.read_secret,
        "write-what-the-provider-gave-you",
        "Secret of this installation at that provider.",
        secret=True,
        unset="people sign in with API keys alone",
    ),
    Setting(
        "OIDC_SCOPES",
        "openid",
        branding.read_scopes,
        "openid email groups",
        "Scopes that the provider is asked for, `openid` among them, with spaces between: claims hang on them "
        "(docs/openid.md).",
    ),
    Setting(
        "OIDC_ACCOUNT_CLAIM",
        "letterhead_account",
        branding.read_client,
        "https://example.com/account",
        "Claim with the id of the person's account, or a list of ids, in the ID token or in UserInfo; `a.b` is `b` in "
        "the object `a`. Nobody but you may be able to set it there.",
    ),
    Setting(
        "OIDC_SCOPE_CLAIM",
        "letterhead_scope",
        branding.read_client,
        "https://example.com/scope",
        "Claim, likewise, that says what the person may do: `read`, `write` or `full`, as with API keys. Nobody but "
        "you may be able to set it there.",
    ),
    Setting(
        "OIDC_SCOPE",
        "read",
        values.one_of(Scope),
        "write",
        "What a person may do without such a claim: `read` (look), `write` (change domains and webhooks), "
        "`full` (make and end API keys too).",
    ),
    Setting(
        "OIDC_DOMAIN_CLAIM",
        None,
        branding.read_client,
        "hd",
        "Claim with the mail domain that a person belongs to, where accounts let people of a domain in.",
        unset="the domain of `email` where `email_verified` is true; at Google its `hd`, and nothing else",
    ),
    Setting(
        "OIDC_GROUPS_CLAIM",
        None,
        branding.read_client,
        "groups",
        "Claim with the names of the groups that a person is in, where accounts let people of a group in. Nobody but "
        "you may be able to set it there.",
        unset="groups are not read",
    ),
    Setting(
        "OIDC_OPERATOR_GROUP",
        None,
        branding.read_group,
        "letterhead-operators",
        "Group whose people may sign in to the operator's pages. Goes with OIDC_GROUPS_CLAIM.",
        unset="the operator signs in with OPERATOR_TOKEN alone",
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
        "OPENTELEMETRY",
        "false",
        values.read_truth,
        "true",
        "Sends traces and metrics of each process to a collector, by OTLP over HTTP, where OpenTelemetry's own "
        "variables say (`OTEL_EXPORTER_OTLP_ENDPOINT` and others, docs/observability.md). Needs the extra `otel`.",
    ),
    Setting(
        "OPENTELEMETRY_PARENT",
        "true",
        values.read_truth,
        "false",
        "Whether a request goes on in the trace that its `traceparent` names, if one of `TRUSTED_PROXIES` passed it "
        "on. Set `false` where that proxy passes on a `traceparent` that anybody sent.",
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
