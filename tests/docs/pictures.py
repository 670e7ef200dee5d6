"""What each picture of the docs shows, and a fingerprint of what its page is made of.

A page is made of its template with all that this one takes in, the texts that these name, the styles and the scripts.
What the pages of the demo's domains hold is not counted: a new finding does not make a picture of the form stale.
"""

import re
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, meta

ROOT = Path(__file__).parents[2]
IMAGES = ROOT / "docs" / "images"
FINGERPRINTS = IMAGES / "pictures.toml"
WEB = ROOT / "letterhead" / "web" / "templating"
TEMPLATES = {
    "setup": "setup.html",
    "button": "setup.html",
    "overview": "overview.html",
    "operator": "operator.html",
    "domain": "domain.html",
}
_TEXT = re.compile(r"""["']([a-z_]+)\.([a-z_0-9]*)["']\s*(~)?""")


def shown() -> dict[str, str]:
    """Return the name of each picture that the docs show, and of the page that it is of."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    told = "\n".join(page.read_text("utf-8") for page in pages)
    return {name: name.split("-")[0] for name in sorted(set(re.findall(r"images/([a-z0-9-]+)\.png", told)))}


def fingerprint(page: str) -> str:
    """Digest what a page is made of."""
    texts = tomllib.loads((WEB / "texts" / "en.toml").read_text("utf-8"))
    sources = [source for _, source in sorted(_templates(TEMPLATES[page]))]
    sources += [
        path.read_text("utf-8") for path in sorted((WEB / "assets").iterdir()) if path.suffix in (".css", ".js")
    ]
    sources += [repr(text) for source in tuple(sources) for text in _named_texts(source, texts)]
    return sha256("\0".join(sources).encode()).hexdigest()[:16]


def _templates(name: str) -> set[tuple[str, str]]:
    source = (WEB / "templates" / name).read_text("utf-8")
    found = {(name, source)}
    for other in meta.find_referenced_templates(Environment(autoescape=True).parse(source)):
        found |= _templates(other) if other else set()
    return found


def _named_texts(source: str, texts: dict[str, dict[str, object]]) -> Iterator[object]:
    """Return each text that a template names; all with the same beginning where the rest follows from a state."""
    for section, key, is_prefix in _TEXT.findall(source):
        for name, text in texts.get(section, {}).items():
            if name == key or (is_prefix and name.startswith(key)):
                yield text


def write_fingerprints() -> None:
    """Write the fingerprint of each page of which a picture was just made."""
    lines = [f'{page} = "{fingerprint(page)}"' for page in sorted(set(shown().values()))]
    head = "# What each page was made of when its pictures were: `./dev screenshots` writes both.\n"
    FINGERPRINTS.write_text(head + "\n".join(lines) + "\n")
