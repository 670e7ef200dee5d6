"""Hold the site of the docs: each page has one place in its navigation."""

from collections import Counter
from pathlib import Path

import pytest

from tests.docs import site
from tests.docs.site_markdown import nested


def test_each_page_has_one_place() -> None:
    """Every page of docs/ is listed in docs/README.md, or lies in a folder that is; none twice, and none is missing."""
    counted = Counter(site.placed(site.navigation()))
    assert {name for name in site.pages() if not counted[name]} == set(), f"list these pages in {site.INDEX}"
    assert {name for name, times in counted.items() if times > 1} == set()
    assert set(counted) <= set(site.pages())


@pytest.mark.parametrize("page", ["docs/new.md", "docs/new/page.md"])
def test_a_page_without_a_place_is_seen(tmp_path: Path, page: str) -> None:
    """A page that the index does not list has no place; a folder that it lists places all of its pages."""
    (tmp_path / "docs" / "kept").mkdir(parents=True)
    (tmp_path / "docs" / "new").mkdir()
    (tmp_path / "docs" / "README.md").write_text("# Docs\n\n## Reference\n\n- [kept/](kept): all of them\n")
    for name in ("docs/kept/b.md", "docs/kept/a.md", page):
        (tmp_path / name).write_text("# A page\n")
    assert set(site.pages(tmp_path)) - set(site.placed(site.navigation(tmp_path))) == {page}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("Some:\n- a\n- b\n", "Some:\n\n- a\n- b\n"),
        ("- a\n  goes on\n- b\n", "- a\n    goes on\n- b\n"),
        ("1. a\n\n   ```sh\n   x\n   ```\n\n2. b\n", "1. a\n\n    ```sh\n    x\n    ```\n\n2. b\n"),
        ("- a\n  - b\n    more\n", "- a\n    - b\n        more\n"),
        ("Some:\n```sh\n- no list\n```\n", "Some:\n\n```sh\n- no list\n```\n"),
        ("```sh\nx\n```\nMore.\n", "```sh\nx\n```\n\nMore.\n"),
        ("- a\n\nNo list.\n", "- a\n\nNo list.\n"),
    ],
)
def test_lists_and_blocks_are_those_of_the_repository(text: str, wanted: str) -> None:
    """What GitHub takes for a list, an item's paragraph or a block is one on the site, too."""
    assert nested(text) == wanted
