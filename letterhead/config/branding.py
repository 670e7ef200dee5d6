"""Parsers of the settings of the pages (name, colours, sign-in); see `values` for what they raise."""

import re
from urllib.parse import urlsplit

from letterhead.config.values import is_address
from letterhead.core.accounts.accounts import parse_email
from letterhead.core.names.host_names import HOST_NAME
from letterhead.errors import Fault


def read_words(text: str) -> str:
    """Parse a short text for people."""
    if not text.isprintable() or len(text) > 60:
        raise ValueError("is longer than 60 characters or holds some that can't be printed")
    return text


def read_web_address(text: str) -> str:
    """Parse the https address of something that a browser fetches."""
    if not re.fullmatch(r"https://[!-~]{1,500}", text) or set(text) & set(";,'\"<>") or not urlsplit(text).hostname:
        raise ValueError("is not an https:// address in plain ASCII without quotes, commas and semicolons")
    return text


def read_issuer(text: str) -> str:
    """Parse an OpenID Connect issuer: https, or http on this machine alone; the text is kept as it is."""
    parts = urlsplit(text)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not (local or parts.scheme == "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("is not an https:// address without ? and #")
    return text


def read_client(text: str) -> str:
    """Parse a client id or the name of a claim, as an OpenID Connect provider knows it."""
    if not re.fullmatch(r"[!-~]{1,200}", text):
        raise ValueError("is longer than 200 characters or holds others than printable ASCII without spaces")
    return text


def read_scopes(text: str) -> tuple[str, ...]:
    """Parse scopes of OpenID Connect (RFC 6749 3.3), separated by spaces; `openid` must be one of them."""
    scopes = tuple(dict.fromkeys(text.split()))
    if not all(re.fullmatch(r"[!#-\[\]-~]{1,200}", scope) for scope in scopes) or len(scopes) > 30:
        raise ValueError("holds more than 30 scopes, or one that is no scope of RFC 6749")
    if "openid" not in scopes:
        raise ValueError("lacks the scope openid, without which there is no sign-in")
    return scopes


def read_group(text: str) -> str:
    """Parse the name of a group at an OpenID Connect provider, just as it writes it."""
    if not text.isprintable() or not 0 < len(text) <= 200:
        raise ValueError("is longer than 200 characters or holds some that can't be printed")
    return text


def read_colour(text: str) -> str:
    """Parse a colour, `#rrggbb`."""
    if not re.fullmatch(r"#[0-9a-f]{6}", text.lower()):
        raise ValueError("is not a colour of the form #rrggbb")
    return text.lower()


def read_contact(text: str) -> str:
    """Parse an e-mail address or an https address; return it as the target of a link."""
    if text.startswith("https://"):
        return read_web_address(text)
    try:
        return f"mailto:{parse_email(text)}"
    except Fault:
        raise ValueError("is neither an e-mail address nor an https:// address") from None


def read_origins(text: str) -> tuple[str, ...]:
    """Parse web origins (scheme, host, port), separated by commas; an empty text is no origins."""
    origins = [part.strip().lower() for part in text.split(",")] if text else []
    for origin in origins:
        match = re.fullmatch(r"(https?)://([a-z0-9.-]{1,253})(:[0-9]{1,5})?/?", origin)
        if match is None or (not is_address(match[2]) and not HOST_NAME.fullmatch(match[2])):
            raise ValueError("holds what is not an origin of the form https://host or https://host:port")
    return tuple(origin.rstrip("/") for origin in origins)
