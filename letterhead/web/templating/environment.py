"""The Jinja environment of the pages, their assets and their Content-Security-Policy."""

from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from markupsafe import Markup

from letterhead.core.languages.formats import ENGLISH_FORMATS, TIME, Formats
from letterhead.web import WebSettings
from letterhead.web.templating import brand
from letterhead.web.templating.texts import Texts

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.runtime import Context

HERE = Path(__file__).parent


class Templates:
    """The templates. `root` is the path of the service's public URL, mostly empty; `assets` are by their names."""

    def __init__(self, settings: WebSettings) -> None:
        self.settings, self.texts = settings, Texts()
        self.root = urlsplit(settings.public_url).path.rstrip("/")
        self.https = settings.public_url.startswith("https:")
        self.assets = _read_assets(settings)
        self.policy = self._policy("'none'")
        self.framed_policy = self._policy(" ".join(settings.embed_origins) or "'none'")

    def render(self, template: str, **values: object) -> str:
        """Render one template; HTML in the values is escaped."""
        return self._environment.get_template(template).render(values)

    def asset(self, name: str) -> str:
        """Return the address of an asset, which changes with its content."""
        return f"{self.root}/assets/{name}?v={sha256(self.assets[name][1]).hexdigest()[:12]}"

    def _policy(self, framed_by: str) -> str:
        logo = urlsplit(self.settings.brand_logo or "")
        pictures = f"'self' {logo.scheme}://{logo.netloc}" if self.settings.brand_logo else "'self'"
        return (
            "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
            f"img-src {pictures}; form-action 'self'; base-uri 'none'; frame-ancestors {framed_by}"
        )

    @cached_property
    def _environment(self) -> "Environment":
        from jinja2 import (
            Environment,
            FileSystemLoader,
            StrictUndefined,
            pass_context,
        )  # not loaded before the first page

        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.globals.update(t=self.texts, brand=self.settings, root=self.root, asset=self.asset)
        environment.filters.update(
            {each.__name__: pass_context(each) for each in (when, day, dated, number)},
            segment=lambda text: quote(str(text), safe=""),
        )
        return environment


def when(context: "Context", at: datetime) -> Markup:
    """Format a time in UTC, which the script changes to the reader's time zone."""
    return mark_time(at, _formats(context))


def mark_time(at: datetime, formats: Formats = ENGLISH_FORMATS) -> Markup:
    """Return an element with a time in UTC."""
    iso = at.astimezone(UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" data-when>{}</time>').format(iso, formats.date_time(at))


def dated(context: "Context", text: str) -> Markup:
    """Mark each time of a text (`2026-11-29 03:18 UTC`), which the script changes to the reader's time zone."""
    return mark_times(text, _formats(context))


def mark_times(text: str, formats: Formats = ENGLISH_FORMATS) -> Markup:
    """Mark each time of a text; a text from DNS that only looks like one stays as it is."""
    pieces: list[str] = []
    for at, piece in enumerate(TIME.split(text)):
        try:
            pieces.append(
                mark_time(datetime.fromisoformat(piece.replace(" UTC", "+00:00")), formats) if at % 2 else piece
            )
        except ValueError:
            pieces.append(piece)
    return Markup().join(pieces)


def day(context: "Context", at: datetime) -> Markup:
    """Format the day of a time in UTC, which the script changes likewise."""
    iso = at.astimezone(UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}" data-day>{}</time>').format(iso, _formats(context).date(at))


def number(context: "Context", amount: float) -> str:
    """Format a number with the marks of the page's language."""
    return _formats(context).number(amount)


def _formats(context: "Context") -> Formats:
    """Return the formats of the language that a page's texts are in."""
    texts = context.resolve("t")
    return texts.language.formats if isinstance(texts, Texts) else ENGLISH_FORMATS


def _read_assets(settings: WebSettings) -> dict[str, tuple[str, bytes]]:
    """Read the assets with their media types; each theme's stylesheet ends with the brand's colour."""
    folder = HERE / "assets"
    themes = {"letterhead.css": brand.PAPER, "dark.css": brand.NIGHT}
    styles = {
        name: (folder / name).read_text("utf-8") + brand.stylesheet(settings.brand_colour, background)
        for name, background in themes.items()
    }
    scripts = ("letterhead.js", "embedding.js")
    return {
        **{name: ("text/css; charset=utf-8", style.encode()) for name, style in styles.items()},
        **{name: ("text/javascript; charset=utf-8", (folder / name).read_bytes()) for name in scripts},
        "letterhead.svg": ("image/svg+xml", (folder / "letterhead.svg").read_bytes()),
    }
