"""Stand in for the operator's path of proofs, and prove domains, since mail is sent from proven ones alone."""

from datetime import UTC, datetime, timedelta

import httpx2

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain import lifecycle
from letterhead.core.domain.domain import Domain
from letterhead.core.schedule.reminder_mail import Email
from letterhead.operations import checks, domains, provider_work
from letterhead.ports.deps import Deps
from letterhead.ports.mail import DeliveryResult, ProofSetup, SendResult
from tests.rigs.signing import OWN

TO = "proof@operator.example"


def provider_at_once() -> SimulatedProvider:
    """Make a provider that looks at once, and not after a while."""
    return SimulatedProvider(lambda: datetime.now(UTC), settles_after=timedelta())


def zone_of(sender: str, selector: str = "lh1") -> str:
    """Write the zone of a domain whose key is the one of the tests."""
    strings = " ".join(f'"{OWN.record[at : at + 200]}"' for at in range(0, len(OWN.record), 200))
    return (
        f"$ORIGIN {sender}.\n@ 3600 SOA ns1 dns 1 7200 3600 1209600 7200\n@ NS ns1\nns1 A 192.0.2.1\n"
        f"{selector}._domainkey TXT {strings}\n"
    )


async def add_proven(client: httpx2.AsyncClient, deps: Deps, account_id: str, sender: str, **wish: str) -> Domain:
    """Add a domain with the key that `zone_of` publishes, and check it; it may send mail then."""
    wanted = {"sender": sender, "selector": "lh1", "privateKey": OWN.pem.decode()} | wish
    assert (await client.post("/domains", json=wanted)).status_code == 200
    await prove(deps, account_id, sender)
    return await domains.find_domain(deps, account_id, sender)


async def prove(deps: Deps, account_id: str, sender: str) -> None:
    """Check a domain whose records are in DNS, and do what is owed at the provider, until it may send."""
    for _ in range(2):
        domain = await domains.find_domain(deps, account_id, sender)
        assert await checks.check(deps, domain)
        for intent in await deps.store.claim_intents(deps.now(), deps.now(), "test", 100):
            await provider_work.perform_intent(deps, intent)
        if lifecycle.may_send(await domains.find_domain(deps, account_id, sender), deps.now()):
            return
    raise AssertionError(f"{sender} is not proven")


class Box:
    """Takes proofs, and holds those that have arrived."""

    def __init__(self) -> None:
        self.letters: list[Email] = []
        self.arrived: dict[str, bytes] = {}
        self.looks = 0

    async def send(self, letter: Email) -> SendResult:
        """Take a letter."""
        self.letters.append(letter)
        return SendResult(result=DeliveryResult.ACCEPTED, said="250 taken")

    async def try_connection(self) -> SendResult:
        """Is there."""
        return SendResult(result=DeliveryResult.ACCEPTED, said="250 here")

    async def find(self, token: str) -> bytes | None:
        """Find what has arrived."""
        self.looks += 1
        return self.arrived.get(token)


def given_to(deps: Deps, *, readable: bool = True) -> Box:
    """Give a running installation a path for proofs, and a mailbox that can be read or not."""
    box = Box()
    object.__setattr__(deps, "proofs", ProofSetup(to=TO, mailer=box, mailbox=box if readable else None))
    return box
