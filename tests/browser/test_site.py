"""The built site of the docs: links and anchors that are there, valid HTML, and a browser that finds no barrier."""

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_accessible import RULES, axe
from tests.docs.site import pages
from tests.rigs import docs_site
from tests.rigs.command import Running, running
from tests.rigs.npm import npm_packages
from tests.rigs.processes import program
from tests.rigs.site_server import TRIED, site_server

pytestmark = pytest.mark.timeout(600)

PAGES = {
    "home": "index.html",
    "how-to": "docs/keys.html",
    "wide tables": "docs/configuration.html",
    "finding": "docs/findings/dkim.missing.html",
    "diagram": "docs/lifecycle.html",
    "not there": "nowhere.html",
}
# What the theme's own templates do, on every page: no fault of a page of ours.
THEME = (
    "attribute-allowed-values", "doctype-style", "long-title", "no-trailing-whitespace", "unique-landmark",
    "valid-autocomplete", "valid-id", "void-style", "wcag/h32",
)  # fmt: skip
# Likewise: each copy button lies in a navigation without a name, and the search goes through its list by the arrows.
LEFT = {"landmark-unique", "scrollable-region-focusable"}
LOADED = {("script", "src"), ("link", "href"), ("img", "src"), ("source", "srcset"), ("iframe", "src")}


class Parsed(HTMLParser):
    """What one page names: the ids that it has, where its links lead, and what it loads."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Take a tag's id and addresses."""
        given = {name: value or "" for name, value in attributes}
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" and "href" in given else []
        self.loaded += [given[name] for kind, name in LOADED if kind == tag and name in given]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; a link or an anchor of a page that leads nowhere fails it."""
    return docs_site.build(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def address(built: Path, api: Running) -> Iterator[str]:
    """Serve the site, and return its address; what is tried in it goes to an installation."""
    with site_server(built, api.url) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run an installation."""
    with running(tmp_path_factory.mktemp("api")) as service:
        yield service


def broken(built: Path, parsed: dict[Path, Parsed]) -> Iterator[str]:
    """List the links that lead to no file or no anchor of the site, and addresses that are none."""
    for page, found in parsed.items():
        if page.name == "404.html":
            continue  # whose addresses begin at the root
        for link in [*found.links, *found.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if (parts.scheme, bool(parts.netloc)) not in {("https", True), ("http", True), ("mailto", False)}:
                    yield f"{page.relative_to(built)}: {link} is no address"
                continue
            path = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            path = path / "index.html" if path.is_dir() else path
            if not path.is_file():
                yield f"{page.relative_to(built)}: {link} leads nowhere"
            elif parts.fragment and path in parsed and unquote(parts.fragment) not in parsed[path].ids:
                yield f"{page.relative_to(built)}: {link} has no such anchor"


def reached(built: Path, parsed: dict[Path, Parsed]) -> set[Path]:
    """Return the pages to which links lead from the first one."""
    seen: set[Path] = set()
    waiting = [built / "index.html"]
    while waiting:
        page = waiting.pop()
        if page in parsed and page not in seen:
            seen.add(page)
            local = [urlsplit(link).path for link in parsed[page].links if not urlsplit(link).netloc]
            waiting += [(page.parent / unquote(path)).resolve() for path in local if path]
    return seen


def test_every_link_leads_somewhere_and_every_page_is_reached(built: Path) -> None:
    """Links, anchors and pictures are there, no id stands twice, and nothing comes from another host."""
    parsed = {page.resolve(): Parsed(page) for page in built.rglob("*.html")}
    assert len(parsed) == len(pages()) + 2  # and the API reference, and the page for what is not there
    assert list(broken(built.resolve(), parsed)) == []
    unreached = set(parsed) - reached(built.resolve(), parsed)
    assert {page.name for page in unreached} == {"404.html"}
    twice = {page.name: [each for each in found.ids if found.ids.count(each) > 1] for page, found in parsed.items()}
    assert {name: ids for name, ids in twice.items() if ids} == {}
    assert [link for found in parsed.values() for link in found.loaded if urlsplit(link).netloc] == []
    others = {link for found in parsed.values() for link in found.links if urlsplit(link).netloc}
    print(f"{len(others)} addresses of other hosts, which nobody asked:", *sorted(others), sep="\n")


def test_a_broken_link_is_seen(tmp_path: Path) -> None:
    """A missing page, anchor and picture are caught, and a page that no link leads to."""
    root = tmp_path.resolve()
    (root / "index.html").write_text('<a href="a.html#x">a</a><a href="gone.html">b</a><img src="gone.png">')
    (root / "a.html").write_text('<h1 id="y">a</h1><a href="https:/no">c</a>')
    (root / "alone.html").write_text("<h1>alone</h1>")
    parsed = {page: Parsed(page) for page in root.glob("*.html")}
    assert sorted(broken(root, parsed)) == [
        "a.html: https:/no is no address",
        "index.html: a.html#x has no such anchor",
        "index.html: gone.html leads nowhere",
        "index.html: gone.png leads nowhere",
    ]
    assert {page.name for page in set(parsed) - reached(root, parsed)} == {"alone.html"}


def test_the_html_is_valid(built: Path, tmp_path: Path) -> None:
    """html-validate finds nothing in any page, apart from what the theme does everywhere."""
    rules = {"extends": ["html-validate:recommended"], "root": True, "rules": dict.fromkeys(THEME, "off")}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    validate = npm_packages("docs-site") / "node_modules" / ".bin" / "html-validate"
    command = [
        program("node"),
        str(validate),
        "--config",
        str(tmp_path / "rules.json"),
        "--formatter",
        "text",
        str(built),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout[:3000]) == (0, ""), done.stderr


def opened(browser: Browser, scheme: Literal["light", "dark"], width: int) -> tuple[Page, list[str]]:
    """Open a window, and collect what its pages ask for and complain of."""
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme).new_page()
    heard: list[str] = []
    page.on("console", lambda said: heard.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("pageerror", lambda error: heard.append(str(error)))
    page.on("request", lambda sent: heard.append(sent.url) if urlsplit(sent.url).scheme.startswith("http") else None)
    return page, heard


def search(page: Page, words: str) -> None:
    """Search by the keyboard, and wait until something is found."""
    field = page.get_by_placeholder("Search")
    expect(field).to_be_attached()  # from then on the page hears the keyboard
    page.keyboard.press("Control+k")
    expect(field).to_be_visible()
    page.keyboard.type(words)
    expect(field).to_have_value(words)
    expect(page.get_by_text(re.compile(r"^\d+ results")).first).to_be_visible()


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_nothing_stands_in_anybodys_way(
    browser: Browser, address: str, scheme: Literal["light", "dark"], width: int
) -> None:
    """axe finds nothing on any kind of page, none is wider than the window, and all comes from the site itself."""
    page, heard = opened(browser, scheme, width)
    found: dict[str, object] = {}
    for name, path in PAGES.items():
        page.goto(f"{address}/{path}")
        if name == "diagram":
            expect(page.locator(".mermaid").first).to_be_visible()
        wide = page.evaluate("document.documentElement.scrollWidth")
        if barred := [each for each in axe(page, RULES) if each[0] != "landmark-unique"]:
            found[name] = barred
        if wide > width:
            found[f"{name} in a narrow window"] = wide
    page.goto(f"{address}/index.html")
    search(page, "missing")
    if barred := [each for each in axe(page, RULES) if each[0] not in LEFT]:
        found["search"] = barred
    assert found == {}
    assert {each for each in heard if not each.startswith(f"{address}/")} == set()


def test_the_keyboard_is_enough(browser: Browser, address: str) -> None:
    """It skips the navigation, searches, goes to what was found and on to the next page."""
    page, _ = opened(browser, "light", 1280)
    page.goto(f"{address}/docs/keys.html")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    search(page, "dkim.missing")
    first = page.locator("a[href*='h=dkim.missing']").first  # what the first letters found stays until all are searched
    expect(first).to_have_attribute("href", re.compile(r"findings/dkim\.missing\.html"))
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"findings/dkim\.missing\.html"))
    expect(page.get_by_role("heading", level=1)).to_contain_text("dkim.missing")
    following = page.get_by_role("link", name=re.compile("Next"))
    following.focus()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"findings/(?!dkim\.missing)"))


def test_an_operation_is_tried_against_a_chosen_server(browser: Browser, address: str, api: Running) -> None:
    """A request of the API reference reaches the server that --api names, with the reader's key, and no other host."""
    headers = {"Authorization": f"Bearer {api.key}"}
    tried = httpx2.post(f"{address}{TRIED}/domains", headers=headers, json={"sender": "acme.test"}, trust_env=False)
    assert (tried.status_code, [each["sender"] for each in tried.json()]) == (200, ["acme.test"])
    assert httpx2.post(f"{address}/domains", trust_env=False).status_code == 405
    page, heard = opened(browser, "light", 1280)
    page.goto(f"{address}/docs/api-reference.html")
    page.locator("#reference input[placeholder=Token]:visible").first.fill(api.key)
    page.get_by_role("button").filter(has_text=re.compile(r"Test Request.*get /domains\)")).first.click()
    page.locator("button:visible").filter(has_text=re.compile(r"^\s*Send\b")).last.click()
    expect(page.get_by_text("acme.test").first).to_be_visible()
    assert f"{address}{TRIED}/domains" in heard
    assert {each for each in heard if not each.startswith(f"{address}/")} == set()
