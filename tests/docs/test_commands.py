"""Every command block of the docs is run by a test, or says why none runs it."""

from pathlib import Path

import pytest

from tests.docs.commands import RUN, blocks_of, disguised, every_block, flaw
from tests.docs.markdown import every_page, shown

BLOCK = "```sh\nletterhead doctor\n```\n"


def test_every_command_block_is_run_or_says_why_not() -> None:
    """No command of the docs stands there untried without a word."""
    blocks = every_block()
    assert len(blocks) > 50
    assert [wrong for wrong in map(flaw, blocks) if wrong] == []
    assert set(RUN) - {block.page for block in blocks} == set()


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        (BLOCK, "run by no test"),
        (f"<!-- not run: needs a cluster -->\n{BLOCK}", ""),
        (f"<!-- not run: needs a cluster -->\n\n{BLOCK}", ""),
        (f"<!-- not run: -->\n{BLOCK}", "run by no test"),
        (f"<!-- not run: needs a cluster -->\n\nMore.\n\n{BLOCK}", "run by no test"),
        (f"<!-- run by: tests/there.py -->\n{BLOCK}", ""),
        (f"<!-- run by: tests/gone.py -->\n{BLOCK}", "which is not there"),
        (f"<!-- all run by: tests/there.py -->\n\n{BLOCK}More.\n\n{BLOCK}", ""),
        ("   ```console\n   $ letterhead doctor\n   ```\n", "run by no test"),
        ("```console\nok  database\n```\n", "has no command"),
        ("```text\nletterhead doctor\n```\n", ""),
    ],
)
def test_a_block_that_nothing_runs_is_seen(tmp_path: Path, text: str, wrong: str) -> None:
    """A block without a word, with an empty one, or with a test that is not there, is caught."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "there.py").touch()
    found = [flaw(block, tmp_path) for block in blocks_of("docs/new.md", text)]
    assert [each for each in found if each] == ([] if not wrong else found)
    assert all(wrong in each for each in found)


def test_a_console_block_is_what_a_reader_types() -> None:
    """Prompts and what is printed are no commands; a line that goes on is one with the next."""
    text = "```console\n$ letterhead export exim a \\\n      --watch\nwrote 2 files\n$ ls\n```\n"
    (block,) = blocks_of("docs/new.md", text)
    assert block.commands == "letterhead export exim a \\\n      --watch\nls"


def test_a_command_names_the_language_of_a_shell() -> None:
    """A block without a language, which looks like commands, would be run by nobody."""
    found = [each for page in every_page() for each in disguised(shown(page), page.read_text("utf-8"))]
    assert found == [], "write ```sh or ```console"
    assert disguised("docs/new.md", "```\nletterhead doctor\n```\n```text\n$ ls\n```\n```sh\ncurl x\n```\n") == [
        "docs/new.md: letterhead doctor",
        "docs/new.md: $ ls",
    ]
