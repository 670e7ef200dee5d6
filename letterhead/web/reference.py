"""The API reference at /docs: Scalar's component where the extra `docs` is installed, else a page without scripts.

The component is one script that another package carries; nothing of that package is imported. It sets styles on its
elements, so this one page allows inline styles (docs/decisions/0015-api-reference.md); scripts are ours and its alone.
"""

from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from letterhead.web.context import HtmlDocument

TEMPLATES: Final = Path(__file__).parent / "templates"
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_COMPONENT: Final = ("flask_openapi3_scalar", "templates/scalar/js/scalar.standalone.js")
_OURS: Final = {"reference.js": "text/javascript", "reference.css": "text/css"}


@cache
def files() -> dict[str, tuple[str, bytes]]:
    """Return the files of the reference by name, with their media types; none where the component is not installed."""
    package, script = _COMPONENT
    spec = find_spec(package)
    path = (
        Path(next(iter(spec.submodule_search_locations))) / script if spec and spec.submodule_search_locations else None
    )
    if path is None or not path.is_file():
        return {}
    ours = {name: (f"{kind}; charset=utf-8", (TEMPLATES / name).read_bytes()) for name, kind in _OURS.items()}
    return ours | {"component.js": ("text/javascript; charset=utf-8", path.read_bytes())}


def page(root: str) -> HtmlDocument | None:
    """Return the page with the component, below the path `root`; None where it is not installed."""
    if not files():
        return None
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # loaded on first use

    def address(name: str) -> str:
        return f"{root}/docs/{name}?v={sha256(files()[name][1]).hexdigest()[:12]}"

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    html = environment.get_template("reference.html").render(root=root, address=address)
    return HtmlDocument(html=html.encode(), policy=POLICY)
