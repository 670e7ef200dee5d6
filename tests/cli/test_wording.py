"""Messages of the API are said in the words of the command, and every word that is put there exists."""

import json
import re
from pathlib import Path

import pytest

from letterhead.cli.manual import page
from letterhead.cli.wording import ELSEWHERE, command_for, command_words, option_for

ROOT = Path(__file__).parents[2]
OPERATIONS = [
    (method.upper(), path, operation)
    for path, operations in json.loads((ROOT / "docs" / "openapi.json").read_text("utf-8"))["paths"].items()
    for method, operation in operations.items()
]
# What no command does: the account's is in the dashboard, the others are for programs or for the links of a mail.
NO_COMMAND = {
    ("GET", "/account/address/{token}"), ("POST", "/account/address/{token}"),
    ("GET", "/account/usage"), ("GET", "/reminders/opt-out/{token}"),
    ("POST", "/reminders/opt-out/{token}"), ("POST", "/provider/notices"), ("GET", "/openapi.json"), ("GET", "/docs"),
}  # fmt: skip
MESSAGE = re.compile(r"\b(?:GET|POST|PUT|PATCH|DELETE) /[\w{}./-]+|\bBearer\b")
SOURCES = [*sorted((ROOT / "letterhead" / "operations").glob("*.py")), ROOT / "letterhead" / "web" / "auth.py"]


def named(text: str) -> tuple[str, set[str]]:
    """Return the command that a text names, without what is filled in, and the options."""
    words = text.split()
    options = {each for each in words if each.startswith("--")}
    return " ".join(each for each in words if each not in options and each == each.lower()), options


def test_every_operation_has_a_command_that_exists() -> None:
    """A new route of the API gets its command, or a line in NO_COMMAND; no advice names a command that is missing."""
    manual = page()
    commands = set(re.findall(r"^#+ (letterhead [\w -]+)$", manual, re.MULTILINE))
    without = {(method, path) for method, path, _ in OPERATIONS if command_for(method, path) == ELSEWHERE}
    assert without == NO_COMMAND
    for method, path, _ in OPERATIONS:
        told = command_for(method, path)
        if told.startswith("letterhead"):
            command, options = named(told)
            assert command in commands, told
            assert options <= set(re.findall(r"--[\w-]+", manual)), told


def test_every_option_that_is_named_exists() -> None:
    """A query parameter is said as an option that the manual lists, or in words, never in the API's spelling."""
    manual = page()
    parameters = {each["name"] for *_, operation in OPERATIONS for each in operation.get("parameters", ())}
    assert {"endsInDays", "status", "q", "limit"} <= parameters
    for name in parameters:
        told = option_for(name)
        assert told in manual if told.startswith("--") else not re.search(r"[a-z][A-Z]", told), (name, told)


def test_no_message_keeps_a_word_of_the_api() -> None:
    """Each operation that a message of ours names is said as a command, each header as a variable."""
    texts = [text for path in SOURCES for text in re.findall(r'"([^"\n]*)"', path.read_text("utf-8"))]
    speaking = [text for text in texts if MESSAGE.search(text)]
    assert len(speaking) > 15
    assert [text for text in speaking if MESSAGE.search(command_words(text))] == []


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("Look at GET /domains for the names it has.", "Look at letterhead domains list for the names it has."),
        ("The query parameter 'endsInDays' does not fit.", "--in-days does not fit."),
        ("`$.domains[0]` is too long.", "`--domain` is too long."),
        (
            "Abandon it: DELETE /domains/acme.dev/dkim-rotation",
            "Abandon it: letterhead domains rotate acme.dev --abandon",
        ),
        ("mail from acme.dev is fine; v=DKIM1; p=MIGf", "mail from acme.dev is fine; v=DKIM1; p=MIGf"),
        ("deSEC can't be reached.", "deSEC can't be reached."),
    ],
)
def test_what_a_person_reads(said: str, told: str) -> None:
    """What is no word of the API stays as it is."""
    assert command_words(said) == told
