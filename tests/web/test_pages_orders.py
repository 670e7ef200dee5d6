"""The set-up page while records are published in every order: each card says of its own record what is so."""

import re
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from urllib.parse import urlsplit

from markupsafe import escape

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.plan.plan import RecordId
from tests.operations.world import WrittenDns
from tests.web.conftest import running

_CARD = re.compile(r'<article[^>]*id="record-(\w+)"[^>]*data-state="(\w+)"')
_BANNER = re.compile(r'<section class="banner.*?</section>', re.DOTALL)
RECORDS = (RecordId.DKIM, RecordId.MAIL_FROM_MX, RecordId.MAIL_FROM_SPF, RecordId.DMARC)


def _banner(page: str) -> str:
    found = _BANNER.search(page)
    assert found is not None
    return found[0]


async def test_each_card_is_true_after_each_step_in_every_order(tmp_path: Path) -> None:
    """What was never published is never said to be gone or wrong; page and API count alike; what is removed is gone."""
    dns = WrittenDns("acme.dev")
    provider = SimulatedProvider(lambda: datetime.now(UTC), settles_after=timedelta())  # DKIM alone verifies a domain
    async with running(tmp_path, resolver=dns, provider=provider) as house, house.client(house.keys["acme"]) as acme:
        for number, order in enumerate(permutations(RECORDS)):
            sender = f"s{number}.acme.dev"
            await acme.post("/domains", json={"sender": sender})
            link = urlsplit((await acme.post(f"/domains/{sender}/setup-links")).json()["url"]).path
            planned = {each.id: each for each in (await house.world.view(sender)).plan.records}
            assert set(planned) == set(RECORDS)

            async def states(sender: str = sender, link: str = link) -> dict[str, str]:
                for _ in range(2):  # by the second look the provider has seen it too
                    await house.world.look(sender, thorough=True)
                page = (await acme.get(link)).text
                states = dict(_CARD.findall(page))
                count = sum(state == "found" for state in states.values())
                far = (await acme.get(f"/domains/{sender}")).json()["progress"]
                assert (far["published"], far["planned"]) == (count, len(RECORDS))
                assert ("All done" in _banner(page)) == (count == len(RECORDS)) == (far["step"] == "done")
                assert ("You can send now" in _banner(page)) == (far["step"] == "ready")
                assert far["sentence"].startswith(f"{count} of {len(RECORDS)} published: ")
                assert far["step"] == "done" or escape(far["sentence"]) in _banner(page)
                return states

            assert await states() == {each.value: "missing" for each in RECORDS}
            for step, record in enumerate(order, 1):
                dns.publish(planned[record])
                there = order[:step]
                assert await states() == {each.value: "found" if each in there else "missing" for each in RECORDS}
            assert (await house.world.domain(sender)).verified_at is not None
            reported = {each["kind"]: each["detail"] for each in (await acme.get(f"/domains/{sender}/events")).json()}
            count = order.index(RecordId.DKIM) + 1  # published when the domain was verified, by the key alone
            assert f"; {count} of {len(RECORDS)} published: you can send" in reported["domain.verified"]
            dns.withdraw(planned[order[0]])
            await house.world.look(sender, thorough=True)
            assert dict(_CARD.findall((await acme.get(link)).text))[order[0].value] == "gone"
            dns.withdraw(*planned.values())
