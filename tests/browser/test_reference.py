"""The API reference in a browser: every operation, search, samples, and nothing from any other host."""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.rigs.letterhead import Serving

pytestmark = pytest.mark.timeout(600)

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text("utf-8"))


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_reference(service: Serving, browser: Browser, width: int, scheme: str) -> None:
    """It shows all topics, finds an operation, has samples in three languages, leads back, and asks us alone."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    refused: list[str] = []
    asked: list[str] = []
    page.on("console", lambda said: refused.append(said.text) if "Content Security Policy" in said.text else None)
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{service.url}/docs")
    expect(page.get_by_role("heading", name=DOCUMENT["tags"][0]["name"], exact=True).first).to_be_visible()
    for tag in DOCUMENT["tags"] if width > 1000 else ():  # the others are made when one scrolls to them
        expect(page.get_by_role("navigation").get_by_text(tag["name"], exact=True).first).to_be_attached()
    expect(page.get_by_role("link", name="← Letterhead")).to_have_attribute("href", "/dashboard")
    for language in ("Shell", "Python", "Node.js"):
        expect(page.get_by_text(language, exact=True).first).to_be_attached()
    if width > 1000:  # on a phone the search stands behind the component's menu
        page.keyboard.press("Control+k")
        page.get_by_role("textbox").or_(page.get_by_role("combobox")).last.fill("set-up link")
        expect(page.get_by_role("option").filter(has_text="set-up").first).to_be_visible()
    assert refused == []
    ours = urlsplit(service.url).netloc
    assert {urlsplit(url).netloc for url in asked if url.startswith("http")} == {ours}
    context.close()
