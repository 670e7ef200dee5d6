"""The README's blocks, run as printed against a real server; only the port is the test's own."""

import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.rigs.command import LETTERHEAD, Running, environment, running
from tests.rigs.npm import npm_packages
from tests.rigs.processes import program

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ADDRESS = "127.0.0.1:8025"
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
# In a clone this is ./dev itself; here the environment is there already.
DEV = f'#!/bin/sh\n[ "$1" = letterhead ] || exit 64\nshift\nexec {LETTERHEAD} "$@"\n'


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Run the service as `./dev run` does, in a folder that looks like a clone."""
    folder = tmp_path_factory.mktemp("clone")
    (folder / "dev").write_text(DEV)
    (folder / "dev").chmod(0o755)
    with running(folder, PROVIDER="dns", ALLOW_SPECIAL_USE="false") as service:
        yield service


def run(command: list[str], service: Running) -> str:
    """Run a block where its reader would, and return what it printed; it must succeed."""
    mine = environment(URL=service.url)
    done = subprocess.run(
        command, cwd=service.data.parent, env=mine, capture_output=True, text=True, timeout=55, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_shell_blocks_run_as_printed(clone: Running) -> None:
    """A newcomer's first five minutes: nothing, then the records, then what was not seen."""
    assert shutil.which("curl"), "The tests need curl, which the README asks with: apt-get install curl"
    script = "\n".join(blocks("sh")).replace(ADDRESS, clone.url.removeprefix("http://"))
    out = run(["bash", "-euo", "pipefail", "-c", script], clone)
    assert out.startswith("[]")
    assert '"verificationRecords"' in out
    assert "._domainkey.acme.dev. 3600 IN TXT" in out
    assert "not verified yet: exit code 5\n" in out  # nobody answers in this laboratory
    assert "something to mend, or nothing to be learnt: exit code " in out
    assert "\ndkim.missing (blocking)\n" in out


def test_python_block_runs_as_printed(clone: Running) -> None:
    """The official client, unchanged, adds a domain, reads what to publish, starts verification, deletes, lists."""
    (script,) = blocks("python")
    (clone.data.parent / "first.py").write_text(script.replace(ADDRESS, clone.url.removeprefix("http://")))
    out = run([sys.executable, "first.py"], clone).splitlines()
    assert any(re.fullmatch(r"mail\.acme\.dev PENDING needs TXT \S+\._domainkey\.mail", line) for line in out)
    assert "success=True" in out[-2]
    assert "mail.acme.dev" not in out[-1]


def test_javascript_block_runs_as_printed(clone: Running) -> None:
    """The official client of npm, unchanged, adds a domain, reads what to publish, deletes, lists."""
    (script,) = blocks("javascript")
    folder = clone.data.parent
    (folder / "first.mjs").write_text(script.replace(ADDRESS, clone.url.removeprefix("http://")))
    (folder / "node_modules").symlink_to(npm_packages("pingram") / "node_modules")
    out = run([program("node"), "first.mjs"], clone)
    assert re.search(r"^news\.acme\.dev PENDING needs a key at \w+\._domainkey\.news\.acme\.dev$", out, re.MULTILINE)
    assert "success: true" in out
    assert "news.acme.dev" not in out.rpartition("success")[2]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every link to a file of ours names one that is there."""
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8"))
    missing = [link for link in links if not (page.parent / link).exists()]
    assert missing == []


def test_commands_in_the_docs_exist(tmp_path: Path) -> None:
    """Every `letterhead …` in a code block of the docs is a command that there is."""
    told = "\n".join(page.read_text("utf-8") for page in PAGES if page.name != "cli.md")
    asked = set(re.findall(r"^\$? ?(?:\./dev )?letterhead ((?:[a-z]+(?:-[a-z]+)* ?){1,2})", told, re.MULTILINE))
    assert asked
    for words in asked:
        named = [word for word in words.split() if word not in ("acme", "acc")]
        done = subprocess.run(
            [LETTERHEAD, *named, "--help"], cwd=tmp_path, env=environment(), capture_output=True, check=False
        )
        assert done.returncode == 0, words


def test_settings_in_the_docs_exist() -> None:
    """Every LETTERHEAD_… that docs and units speak of is a setting, or one that clients read."""
    from letterhead.config import PREFIX, TABLE

    known = {PREFIX + setting.name for setting in TABLE} | {"LETTERHEAD_URL", "LETTERHEAD_API_KEY", "LETTERHEAD_CONFIG"}
    known |= {f"{name}_FILE" for name in known}
    known |= set(re.findall(r"\$\{(LETTERHEAD_[A-Z_]+)", (ROOT / "compose.yaml").read_text("utf-8")))
    texts = [*PAGES, *(path for path in (ROOT / "deploy").rglob("*") if path.is_file())]
    spoken = {name for page in texts for name in re.findall(r"LETTERHEAD_[A-Z0-9_]*[A-Z0-9]", page.read_text("utf-8"))}
    assert spoken - known == set()


def test_picture_is_well_formed() -> None:
    """The picture of the flow is an SVG that holds no script and fetches nothing."""
    picture = ElementTree.fromstring((ROOT / "docs" / "flow.svg").read_text("utf-8"))
    kinds = {element.tag.rpartition("}")[2] for element in picture.iter()}
    assert not kinds & {"script", "image", "foreignObject", "use"}
