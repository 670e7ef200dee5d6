"""`letterhead domains set` and what shows it: `domains show`, and the list that a label narrows."""

import json

import pytest

from letterhead.cli.exit_codes import Exit
from tests.rigs.command import Running


def test_labels_and_a_note_are_set_listed_and_taken_away(service: Running) -> None:
    """A label is written with `=` or `:`, wherever one is asked for; a label's value may have both."""
    for sender in ("labelled.dev", "plain.dev"):
        assert service.call("domains", "add", sender).code == Exit.OK
    told = service.call(
        "domains", "set", "labelled.dev", "--label", "team=web", "--label", "ticket:ops=7:2", "--note", "ask Jo"
    )
    assert told.out.strip() == "Set. All of it: letterhead domains show labelled.dev"
    shown = service.call("domains", "show", "labelled.dev")
    assert "ask Jo" in shown.out
    assert "ticket" in shown.out
    for form in ("team=web", "team:web", "ticket=ops=7:2", "ticket:ops=7:2"):
        listed = service.call("domains", "list", "--label", form, "--output", "csv")
        assert "labelled.dev" in listed.out, form
        assert "plain.dev" not in listed.out
    both = service.call("domains", "list", "--label", "team=web", "--label", "team=mail")
    assert both.out.strip() == "No domain matches. List all of them: letterhead domains list"
    gone = service.call("domains", "set", "labelled.dev", "--remove-label", "team", "--json")
    assert json.loads(gone.out)["labels"] == {"ticket": "ops=7:2"}
    assert "labelled.dev" not in service.call("domains", "list", "--label", "team=web").out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("set", "labelled.dev"), "Nothing is given that could be set."),
        (("set", "labelled.dev", "--label", "team"), "The label 'team' has no value."),
        (("list", "--label", "team"), "The label 'team' has no value."),
    ],
)
def test_what_is_incomplete_is_not_sent(service: Running, arguments: tuple[str, ...], words: str) -> None:
    """The message names the option, and how to write it."""
    refused = service.call("domains", *arguments)
    assert refused.code == Exit.USAGE
    assert words in refused.err
    assert "for example" in refused.err
