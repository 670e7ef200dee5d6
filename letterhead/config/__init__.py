"""Knows how this installation was set up: read once, refused early and by name. Seen by wiring and faces only."""

from letterhead.config.environment import is_loopback, key_text, system_resolvers
from letterhead.config.sources import Row, page, read, rows
from letterhead.config.table import PREFIX, TABLE, Setting, Settings
from letterhead.config.values import (
    Endpoint,
    Exposure,
    ImapServer,
    LogFormat,
    Mailbox,
    MxFailure,
    MxTarget,
    PostgresServer,
    RateLimit,
    SmtpServer,
    SqliteFile,
    StartTls,
    read_resolvers,
)

__all__ = [
    "PREFIX",
    "TABLE",
    "Endpoint",
    "Exposure",
    "ImapServer",
    "LogFormat",
    "Mailbox",
    "MxFailure",
    "MxTarget",
    "PostgresServer",
    "RateLimit",
    "Row",
    "Setting",
    "Settings",
    "SmtpServer",
    "SqliteFile",
    "StartTls",
    "is_loopback",
    "key_text",
    "page",
    "read",
    "read_resolvers",
    "rows",
    "system_resolvers",
]
