"""`letterhead alerts`: a channel's address comes from standard input, and is never shown."""

from letterhead.cli.exit_codes import Exit
from tests.rigs.command import Running


def test_no_address_is_asked_for_again(service: Running) -> None:
    """Without an address nothing is asked of the server, and the message says how to give one."""
    refused = service.call("alerts", "add", "on call")
    assert refused.code == Exit.USAGE
    assert "No address of the channel was given. [config-invalid]" in refused.err
    assert "standard input" in refused.err
    listed = service.call("alerts", "list")
    assert listed.out.strip() == "No alert channels. Add one: letterhead alerts add NAME"


def test_a_key_that_has_ended_already(service: Running) -> None:
    """A message about a field of the request names the option of the command."""
    refused = service.call("keys", "create", "late", "--until", "2020-01-01")
    assert refused.code == Exit.REFUSED
    assert "leave --until away" in refused.err
