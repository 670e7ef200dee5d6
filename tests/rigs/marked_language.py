"""A language whose every text is marked: what a reader sees outside the marks was not translated, or is data."""

import re
from collections.abc import Iterable, Sequence

from letterhead.core.languages.formats import ENGLISH_FORMATS
from letterhead.core.languages.language import BETWEEN, Language
from tests.docs import catalogues

BEGIN, END = "\u27e6", "\u27e7"
# Data that is no text of ours: names, addresses, values of records, and what the pages of a DNS host say.
DATA = re.compile(
    r"https?://\S+|“[^”\u27e6\u27e7]*”|\bip4:|mailto:\S+|\S+@\S+|\bv=(?:DKIM1|spf1|DMARC1)[^\u27e6]*|(?:[\w*-]+\.)+[\w-]+\.?|\b_\w+|/\S+"
    r"|\b(?:TXT|CNAME|MX|NS|SPF|DKIM|DMARC|UTC|Letterhead|SERVFAIL|lh\w*|Virtucon Domains)\b"
)
VALUES = re.compile(r"[A-Za-z0-9+/=]{40,}")


def marked(text: str) -> str:
    """Mark what a template says itself, and not what will stand at its places."""
    pieces = re.split(r"(\{\w+\})", text)
    return "".join(
        f"{BEGIN}{each}{END}" if re.search("[A-Za-z]{2}", each) and not each.startswith("{") else each
        for each in pieces
    )


def marked_language() -> Language:
    """Make the language."""
    messages = {}
    for text, context in catalogues.messages():
        forms = (text,) if isinstance(text, str) else text
        messages[f"{context}{BETWEEN}{forms[0]}" if context else forms[0]] = tuple(map(marked, forms))
    months = tuple(map(marked, ENGLISH_FORMATS.months))
    lists = {"pair": f"{{0}}{BEGIN} and {END}{{1}}", "end": f"{{0}}{BEGIN} and {END}{{1}}"}
    fields = {name: getattr(ENGLISH_FORMATS, name) for name in ENGLISH_FORMATS.__struct_fields__}
    return Language(code="de", messages=messages, formats=type(ENGLISH_FORMATS)(**fields | {"months": months} | lists))


def unmarked(texts: Iterable[str], data: Sequence[str]) -> list[str]:
    """List the texts that have words outside the marks which are no data."""
    left = []
    for text in texts:
        rest = re.sub(rf"{BEGIN}[^{BEGIN}{END}]*{END}", "\0", text)
        rest = VALUES.sub("\0", DATA.sub("\0", rest))
        for each in data:
            rest = rest.replace(each, "\0")
        if re.search("[A-Za-z]{2}", rest):
            left.append(text.strip())
    return left
