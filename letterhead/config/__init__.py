"""The settings of an installation, read once at the start and refused by name. For wiring and the interfaces only.

- `table`: every setting, in one table.
- `values`: the types of their values, and how each is parsed.
- `mail_servers`: the same for mail servers.
- `branding`: the same for the settings of the pages and of sign-in.
- `domain_connect`: the same for Domain Connect.
- `key_zone`: the same for the operator's own zone.
- `networks`: the same for networks.
- `sources`: reading them from the environment and a TOML file.
- `environment`: what the machine adds: the file of keys, and its resolvers.
"""

from letterhead.config.environment import is_loopback, key_text, system_resolvers
from letterhead.config.mail_servers import ImapServer, SmtpServer
from letterhead.config.sources import (
    SYSTEM_FILE,
    SettingRow,
    bind,
    dns_resolvers,
    is_database_chosen,
    operator_token,
    page,
    read,
    read_value,
    rows,
)
from letterhead.config.table import PREFIX, TABLE, Setting, Settings
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
    read_resolvers,
)

__all__ = [
    "PREFIX",
    "SYSTEM_FILE",
    "TABLE",
    "Exposure",
    "HostPort",
    "ImapServer",
    "LogFormat",
    "MxFailure",
    "MxTarget",
    "PostgresServer",
    "RateLimit",
    "SenderAddress",
    "Setting",
    "SettingRow",
    "Settings",
    "SmtpServer",
    "SocketPath",
    "SqliteFile",
    "StartTls",
    "bind",
    "dns_resolvers",
    "is_database_chosen",
    "is_loopback",
    "key_text",
    "operator_token",
    "page",
    "read",
    "read_resolvers",
    "read_value",
    "rows",
    "system_resolvers",
]
