"""Build the site of the docs, and serve it: README.md is its first page, zensical.toml says how it looks.

Nothing that a page loads comes from another host: diagrams by Mermaid and the API reference by Scalar are installed
packages, whose scripts are copied in. No page needs an inline script, so tests/rigs/site_server.py forbids them.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from tests.docs.markdown import ROOT
from tests.docs.site import BESIDE, Place, navigation, pages
from tests.docs.site_markdown import nested, relinked
from tests.rigs.npm import LOCKED, npm_packages
from tests.rigs.site_server import site_server

HOME = ROOT / ".cache" / "site"
REFERENCE = "docs/api-reference.md"  # of the site alone
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
MERMAID = '\n<script src="{up}assets/mermaid.js"></script>\n'
TRY = """\
---
hide: [navigation, toc, path]
---

# API reference

Every operation of the API, with samples. *Test Request* sends it to a server of yours: start this site by
`./dev site --serve --api https://letterhead.example.com`, and choose `/try` as the server. A browser lets a page reach
no other host; where your installation serves this site too, choose its own address.

<div id="reference" data-description="openapi.json"></div>
<script src="../assets/scalar.js"></script>
<script src="../assets/reference.js"></script>
"""


def gather(home: Path) -> None:
    """Copy the pages and what they show into the folder that the site is built from, and write its settings."""
    source = home / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(ROOT / "docs", source / "docs", ignore=shutil.ignore_patterns(".*"))
    for name in BESIDE:
        shutil.copy(ROOT / name, source / name)
    there = {(source / name).resolve() for name in pages()}
    for name in pages():
        page = source / name
        text = relinked(nested(page.read_text("utf-8")), partial(_link, page, there))
        if "```mermaid" in text:
            text += MERMAID.format(up="../" * name.count("/"))
        page.write_text(text, "utf-8")
    (source / REFERENCE).write_text(TRY, "utf-8")
    (source / "docs" / "openapi.json").write_text(json.dumps(_description()), "utf-8")
    (source / "assets").mkdir()
    scalar = Path(str(find_spec("flask_openapi3_scalar").origin)).parent  # type: ignore[union-attr]
    shutil.copy(scalar / "templates" / "scalar" / "js" / "scalar.standalone.js", source / "assets" / "scalar.js")
    mermaid = npm_packages("docs-site") / "node_modules" / "@mermaid-js" / "tiny" / "dist" / "mermaid.tiny.js"
    shutil.copy(mermaid, source / "assets" / "mermaid.js")
    for name in ("reference.js", "site.css", "site.js"):
        shutil.copy(LOCKED / "docs-site" / name, source / "assets" / name)
    nav = f"nav = {_toml(navigation())}\n".replace('"docs/api.md"', f'"docs/api.md", "{REFERENCE}"')
    settings = (ROOT / "zensical.toml").read_text("utf-8")
    (home / "zensical.toml").write_text(settings.replace("[project]\n", f"[project]\n{nav}", 1), "utf-8")


def _description() -> dict[str, object]:
    """Return the description of the API with the servers that a reader can choose from."""
    described: dict[str, object] = json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))
    own = {"url": "{server}", "variables": {"server": {"default": "https://letterhead.example.com"}}}
    forwarded = {"url": "/try", "description": "The server of ./dev site --serve --api URL"}
    return described | {"servers": [forwarded, own | {"description": "Your own, if it serves this site too"}]}


def _link(page: Path, there: set[Path], hit: "re.Match[str]") -> str:
    """Return a link as the site has it: to a page, or to a folder's first; what the site has not is no link."""
    if re.match(r"[a-z]+:", hit["target"]):
        return hit[0]
    path = (page.parent / hit["target"]).resolve()
    if path in there or path.is_file():
        return hit[0]
    for name in ("README.md", min((each.name for each in path.glob("*.md")), default="")):
        if name and path / name in there:
            return f"[{hit['label']}]({hit['target'].rstrip('/')}/{name})"
    return hit["label"]


def _toml(value: "str | list[Place] | Place") -> str:
    """Write the navigation in TOML: a place without a name of its own takes that of its page."""
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    ((name, inside),) = value.items()
    return f"{{{json.dumps(name)} = {_toml(inside)}}}" if name else _toml(inside)


def build(home: Path = HOME) -> Path:
    """Build the site anew and return its folder; a link or an anchor that leads nowhere is an error."""
    gather(home)
    built = home / "site"
    shutil.rmtree(built, ignore_errors=True)
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict", "--clean"]
    done = subprocess.run(
        command, cwd=home, env={**os.environ, "NO_COLOR": "1"}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    for page in built.rglob("*.html"):
        up = "../" * (len(page.relative_to(built).parts) - 1)
        page.write_text(INLINE.sub(partial(_script, built, up), page.read_text("utf-8")), "utf-8")
    return built


def _script(built: Path, up: str, hit: "re.Match[str]") -> str:
    """Move an inline script into a file, which a policy without inline scripts lets run."""
    name = f"assets/inline-{sha256(hit[1].encode()).hexdigest()[:12]}.js"
    (built / name).write_text(hit[1], "utf-8")
    return f'<script src="{up}{name}"></script>'


def main(arguments: list[str]) -> None:
    """Build the site for `./dev site`; with --serve, serve it until it is stopped."""
    parser = argparse.ArgumentParser("./dev site", description="Build the site of the docs.")
    parser.add_argument("--serve", action="store_true", help="serve it on loopback until stopped")
    parser.add_argument("--port", type=int, default=8026, help="where to serve it (8026)")
    parser.add_argument("--api", default="http://127.0.0.1:8025", help="the server that the API reference tries")
    given = parser.parse_args(arguments)
    built = build()
    print(f"The site is in {built.relative_to(ROOT)}/")
    if given.serve:
        with site_server(built, given.api, given.port) as server:
            print(
                f"http://127.0.0.1:{given.port}/ serves it; what the API reference tries goes to {given.api}",
                flush=True,
            )
            server.serve_forever()
