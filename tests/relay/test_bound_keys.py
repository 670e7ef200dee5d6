"""A key that is bound to domains or networks, as the password of the relay."""

import asyncio
import smtplib

import pytest

from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.key_bounds import DomainBinding
from letterhead.operations import accounts
from letterhead.operations.bound_keys import bind
from letterhead.operations.relay import SmtpEnvelope, accept
from letterhead.operations.subdomain_covers import decide_cover
from tests.operations.world import OPERATOR
from tests.relay.test_refusals import mail_from
from tests.relay.world import ACME, MESSAGE, Relay, submit
from tests.rigs.smtp import Ledger


async def make(relay: Relay, **bounds: object) -> str:
    """Make a key with bounds."""
    wish = accounts.NewKeyRequest(name="bounded", scope=Scope.WRITE, **bounds)  # type: ignore[arg-type]
    world = relay.world
    return (await accounts.make_key(world.deps, world.account.id, OPERATOR, wish)).text


async def send(relay: Relay, key: str, content: str, sender: str = "app@acme.test") -> tuple[int, bytes]:
    """Send with a key, and return the last reply."""
    return (await asyncio.to_thread(submit, relay.port, key, content, sender=sender))[-1]


async def test_a_bound_key_sends_from_its_domains_alone(relay: Relay, ledger: Ledger) -> None:
    """Another domain of the account that may send is refused in the words for one that nobody has."""
    await relay.prove("other.test")
    await relay.prove("news.acme.test")
    exact = await make(relay, binding=DomainBinding(names=(ACME,)))
    below = await make(relay, binding=DomainBinding(names=(ACME,), covers_below=True))
    for key, name, code in (
        (exact, "acme", 250), (exact, "other", 550), (exact, "news.acme", 550), (below, "news.acme", 250),
        (below, "other", 550),
    ):  # fmt: skip
        assert (await send(relay, key, mail_from(f"x@{name}.test")))[0] == code, (name, code)
    told = [(await send(relay, exact, mail_from(f"x@{name}.test")))[1].decode() for name in ("other", "nobodys")]
    assert told[0] == told[1].replace("nobodys", "other")
    sender = MESSAGE.replace("Subject:", "Sender: x@other.test\r\nSubject:")
    assert (await send(relay, exact, sender))[0] == 550


async def test_reports_go_to_no_hidden_domain(relay: Relay) -> None:
    """For an envelope's sender at another domain of the account, reports go to the author, as for any stranger's."""
    await relay.prove("other.test")
    deps, key = relay.world.deps, await make(relay, binding=DomainBinding(names=(ACME,)))
    reports = []
    for text in (key, relay.world.key):
        caller = await accounts.caller_of(deps, text, "127.0.0.1")
        given = SmtpEnvelope(
            sender="x@other.test",
            recipients=("you@receiver.test",),
            utf8=False,
            helo="x",
            address="x",
            protocol="ESMTP",
        )
        queued = await accept(bind(deps, caller), relay.parts, caller, given, MESSAGE.encode())
        reports.append(queued.envelope.reports_to)
    assert reports == ["hello@acme.test", "x@other.test"]


async def test_a_key_signs_in_from_its_networks_alone(relay: Relay) -> None:
    """From elsewhere it gets the reply of a wrong key."""
    near, far = await make(relay, networks=("127.0.0.0/8",)), await make(relay, networks=("192.0.2.0/24",))
    assert (await send(relay, near, MESSAGE))[0] == 250
    said = set()
    for key in (far, "wrong"):
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            await asyncio.to_thread(submit, relay.port, key, MESSAGE)
        said.add((refused.value.smtp_code, refused.value.smtp_error))
    assert len(said) == 1


async def test_a_domain_above_signs_for_no_key_of_a_name_below(relay: Relay) -> None:
    """The relay refuses what `GET /can-send` tells such a key: the domain above, or one between, is hidden from it."""
    eu, news = f"eu.{ACME}", f"news.eu.{ACME}"
    child = await make(relay, binding=DomainBinding(names=(eu,)))
    both = await make(relay, binding=DomainBinding(names=(ACME, news)))
    whole, nobodys = relay.world.key, "nobodys.test"
    told = await can_send(relay, {"whole": whole, "child": child, "both": both}, (eu, news))
    assert told == {"whole": ["covered"] * 2, "child": ["not-verified"] * 2, "both": ["not-verified", "covered"]}
    for key, name, code in ((whole, eu, 250), (child, eu, 550), (both, news, 250), (both, eu, 550)):
        assert (await send(relay, key, mail_from(f"x@{name}")))[0] == code, name
    await relay.prove(eu)
    told = await can_send(relay, {"whole": whole, "child": child, "both": both}, (eu, news))
    assert told == {
        "whole": ["own-domain", "covered"],
        "child": ["own-domain", "not-verified"],
        "both": ["not-verified"] * 2,
    }
    said = [(await send(relay, both, mail_from(f"x@{name}")))[1].decode() for name in (news, nobodys)]
    assert said[0] == said[1].replace(nobodys, news)


async def can_send(relay: Relay, keys: dict[str, str], names: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the reasons that keys are told for names."""
    deps, found = relay.world.deps, {}
    for who, key in keys.items():
        caller = await accounts.caller_of(deps, key, "127.0.0.1")
        held = bind(deps, caller)
        found[who] = [(await decide_cover(held, caller.account_id, name)).decision.rule.code for name in names]
    return found
