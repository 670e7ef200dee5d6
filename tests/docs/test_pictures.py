"""Hold that the pictures of the docs show the pages as they are."""

import tomllib
from pathlib import Path

import pytest

from tests.docs import pictures


def test_each_picture_is_there_and_small() -> None:
    """Every picture that a page shows exists, is one of ours, and does not make the page slow."""
    shown = pictures.shown()
    assert len(shown) > 5
    for name, page in shown.items():
        assert page in pictures.TEMPLATES
        assert (pictures.IMAGES / f"{name}.png").stat().st_size < 200_000, name


@pytest.mark.parametrize("page", pictures.TEMPLATES)
def test_no_page_has_changed_since_its_picture(page: str) -> None:
    """Its templates, texts, styles and scripts are those that the picture was made of."""
    known = tomllib.loads(pictures.FINGERPRINTS.read_text("utf-8"))
    assert known.get(page) == pictures.fingerprint(page), f"the pictures {page}-*.png are stale: run ./dev screenshots"


def test_a_change_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that the page names and a style change the fingerprint; a text of another page does not."""
    before = pictures.fingerprint("setup")
    read = Path.read_text

    def altered(old: str, new: str) -> str:
        def changed(path: Path, *how: str) -> str:
            return read(path, *how).replace(old, new)

        with monkeypatch.context() as patch:
            patch.setattr(Path, "read_text", changed)
            return pictures.fingerprint("setup")

    assert altered('colleague = "', 'colleague = "x') != before
    assert altered("color-scheme", "color-schemes") != before
    assert altered('resets = "', 'resets = "x') == before
