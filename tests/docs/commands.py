"""The command blocks of the docs: each is run by a test, or says before itself why not.

A comment before a block names the test that runs it, or why none does: `<!-- run by: tests/… -->` or
`<!-- not run: … -->`. `<!-- all run by: tests/… -->` does so for every block of its page that has no comment of its
own. The pages of `RUN` need none: tests/acceptance/test_docs_commands.py runs their blocks, from top to bottom, as a
reader would.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.docs.markdown import ROOT, every_page, shown

RUN = (
    "docs/cli.md", "docs/keys.md", "docs/operating.md", "docs/pages.md", "docs/records-as-code.md", "docs/relay.md",
    "docs/reminders.md", "docs/ses.md", "docs/webhooks.md", "docs/writing-records.md",
    *(f"docs/signers/{name}.md" for name in
      ("exim", "kumomta", "opendkim", "postfix-milter", "powermta", "rspamd", "stalwart")),
)  # fmt: skip
FENCED = re.compile(
    r"(?:^ *<!-- (?P<how>not run|run by): (?P<told>[^>]+?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>sh|bash|shell|console)\b.*\n(?P<text>(?:.*\n)*?)^ *```$",
    re.MULTILINE,
)
SHELLS = ("sh", "bash", "shell", "console")
COMMAND = re.compile(r"\$ |(?:letterhead|curl|\./dev|pip|pipx|docker|podman|helm|kubectl|apt-get|systemctl) ")
WHOLE = re.compile(r"^<!-- all run by: (?P<told>[^>]+?) -->$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CommandBlock:
    """One block of commands of a page, with the test that runs it or the reason that none does."""

    page: str
    line: int
    commands: str
    run_by: str = ""
    not_run: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: str, text: str) -> Iterator[CommandBlock]:
    """List the command blocks of one page; of a `console` block, what follows its prompts."""
    whole = WHOLE.search(text)
    for hit in FENCED.finditer(text):
        lines = [line.removeprefix(hit["indent"]) for line in hit["text"].splitlines()]
        commands = "\n".join(typed(lines) if hit["language"] == "console" else lines)
        given = {"not run": "not_run", "run by": "run_by"}.get(hit["how"] or "")
        told = {given: hit["told"]} if given else {"run_by": whole["told"]} if whole else {}
        yield CommandBlock(page, text[: hit.start("text")].count("\n"), commands, **told)


def typed(lines: list[str]) -> Iterator[str]:
    """List the lines of a `console` block that a reader types: after `$ `, and those that go on after a backslash."""
    goes_on = False
    for line in lines:
        if goes_on or line.startswith("$ "):
            yield line if goes_on else line.removeprefix("$ ")
            goes_on = line.endswith("\\")


def every_block() -> list[CommandBlock]:
    """List the command blocks of all pages."""
    pages = [page for page in every_page() if page.parent != ROOT / "changelog.d"]
    return [block for page in pages for block in blocks_of(shown(page), page.read_text("utf-8"))]


def disguised(page: str, text: str) -> list[str]:
    """List the blocks of a page that begin with a command and name another language than that of a shell, or none."""
    blocks = re.finditer(r"^ *```(?P<language>\w*)\n(?P<first>.*)\n(?:.*\n)*?^ *```$", text, re.MULTILINE)
    return [
        f"{page}: {hit['first'].strip()}" for hit in blocks
        if hit["language"] not in SHELLS and COMMAND.match(hit["first"].strip()) and page != "docs/cli.md"
    ]  # fmt: skip


def flaw(block: CommandBlock, root: Path = ROOT) -> str:
    """Return what is wrong with a block, or nothing."""
    if not block.commands.strip():
        return f"{block} has no command: give what a program prints or reads another language than that of a shell"
    if block.run_by and not (root / block.run_by).is_file():
        return f"{block} is run by {block.run_by}, which is not there"
    if block.run_by or block.not_run or block.page in RUN:
        return ""
    return f"{block} is run by no test: put <!-- run by: tests/… --> or <!-- not run: why --> before it"
