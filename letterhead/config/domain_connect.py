"""Parsers of the settings of Domain Connect; see `values` for what they raise."""

import re

from letterhead.config.values import read_host, split_list
from letterhead.core.domain_connect.host_settings import parse_address


def read_domain(text: str) -> str:
    """Parse a domain name of two labels or more."""
    name = read_host(text)
    if "." not in name:
        raise ValueError("is not a name of two labels or more")
    return name


def read_service(text: str) -> str:
    """Parse the id of a service, which is part of URLs and of a file's name."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", text):
        raise ValueError("is not of small letters, digits, dots, hyphens and underscores, 64 characters at most")
    return text


def read_apis(text: str) -> tuple[str, ...]:
    """Parse addresses of Domain Connect APIs, separated by commas; an empty text is none."""
    apis = tuple(split_list(text)) if text else ()
    if any(parse_address(each) is None for each in apis):
        raise ValueError("holds what is not a host, host:port or https:// address, each with a path or without")
    return apis
