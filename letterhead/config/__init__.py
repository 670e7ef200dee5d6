"""Knows how this installation was set up: read once, refused early and by name. Seen by wiring and faces only."""

from letterhead.config.environment import is_loopback, key_text, system_resolvers
from letterhead.config.sources import SettingRow, page, read, rows
from letterhead.config.table import PREFIX, TABLE, Setting, Settings
from letterhead.config.values import (
    Exposure,
    HostPort,
    ImapServer,
    LogFormat,
    MxFailure,
    MxTarget,
    PostgresServer,
    RateLimit,
    SenderAddress,
    SmtpServer,
    SqliteFile,
    StartTls,
    read_resolvers,
)

__all__ = [
    "PREFIX",
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
