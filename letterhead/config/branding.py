"""Knows the values of the settings of the pages (their dress, who signs people in), and reads each from text."""

import re
from urllib.parse import urlsplit

from letterhead.config.values import is_address
from letterhead.core.accounts.accounts import parse_email
from letterhead.core.names.host_names import HOST_NAME
from letterhead.errors import Fault


def read_words(text: str) -> str:
    """Reads a short text for people."""
    if not text.isprintable() or len(text) > 60:
        raise ValueError("is longer than 60 characters or holds some that can't be printed")
    return text


def read_web_address(text: str) -> str:
    """Reads the https address of something that a browser fetches."""
    if not re.fullmatch(r"https://[!-~]{1,500}", text) or set(text) & set(";,'\"<>") or not urlsplit(text).hostname:
        raise ValueError("is not an https:// address in plain ASCII without quotes, commas and semicolons")
    return text


def read_issuer(text: str) -> str:
    """Reads an OpenID Connect issuer: https, or http on this machine alone; not a character is changed."""
    parts = urlsplit(text)
    local = parts.scheme == "http" and parts.hostname in ("127.0.0.1", "::1", "localhost")
    if not (local or parts.scheme == "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("is not an https:// address without ? and #")
    return text


def read_client(text: str) -> str:
    """Reads a name that an OpenID Connect provider gave to something."""
    if not re.fullmatch(r"[!-~]{1,200}", text):
        raise ValueError("is longer than 200 characters or holds others than printable ASCII without spaces")
    return text


def read_colour(text: str) -> str:
    """Reads a colour as `#rrggbb`."""
    if not re.fullmatch(r"#[0-9a-f]{6}", text.lower()):
        raise ValueError("is not a colour of the form #rrggbb")
    return text.lower()


def read_contact(text: str) -> str:
    """Reads an e-mail address or an https address; gives it as what a link leads to."""
    if text.startswith("https://"):
        return read_web_address(text)
    try:
        return f"mailto:{parse_email(text)}"
    except Fault:
        raise ValueError("is neither an e-mail address nor an https:// address") from None


def read_origins(text: str) -> tuple[str, ...]:
    """Reads web origins (scheme, host, port) with commas between; no text is no origins."""
    return tuple(_origin(part.strip()) for part in text.split(",")) if text else ()


def _origin(text: str) -> str:
    match = re.fullmatch(r"(https?)://([a-z0-9.-]{1,253})(:[0-9]{1,5})?/?", text.lower())
    if match is None or (not is_address(match[2]) and not HOST_NAME.fullmatch(match[2])):
        raise ValueError("holds what is not an origin of the form https://host or https://host:port")
    return text.lower().rstrip("/")
