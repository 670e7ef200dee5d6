"""`letterhead keys create` with what a key is held to, and the list that shows it."""

import json

from letterhead.cli.exit_codes import Exit
from tests.rigs.command import Running


def test_a_key_for_some_domains(service: Running) -> None:
    """Domains, networks and end go to the server, and the list shows them; a wrong one is refused."""
    made = service.call(
        "keys", "create", "acme-mta", "--scope", "full", "--domain", "bound.dev", "--domain", "two.dev",
        "--covers-subdomains", "--network", "127.0.0.1", "--until", "2099-03-31", "--json",
    )  # fmt: skip
    assert made.code == Exit.OK, made.err
    told = json.loads(made.out)
    assert (told["domains"], told["coversSubdomains"]) == (["bound.dev", "two.dev"], True)
    assert (told["networks"], told["endsAt"]) == (["127.0.0.1/32"], "2099-03-31T00:00:00Z")
    listed = service.call("keys", "list", "--output", "csv")
    assert "bound.dev, two.dev and below" in listed.out
    assert "127.0.0.1/32" in listed.out
    added = service.call("domains", "add", "bound.dev", API_KEY=told["key"])
    assert added.code == Exit.OK, added.err
    refused = service.call("domains", "add", "other.dev", API_KEY=told["key"])
    assert refused.code == Exit.REFUSED
    assert "bound to some of the account's sender domains" in refused.err
    wrong = service.call("keys", "create", "x", "--network", "127.0.0.1/8")
    assert wrong.code == Exit.REFUSED
    account = json.loads(service.get("/account").text)["accountId"]
    operators = service.call("accounts", "key", account, "--domain", "bound.dev", "--json")
    assert json.loads(operators.out)["domains"] == ["bound.dev"]
