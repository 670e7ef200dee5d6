"""What Amazon SES takes of no key is refused when it is given, not after its record was published."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from letterhead.errors import Fault, Kind
from letterhead.operations import rotations
from letterhead.operations.rotations import RotationRequest
from tests.operations.ses_story import SesStory, ses_story
from tests.operations.world import OPERATOR, Clock, opened
from tests.rigs.dns_lab import DnsLab


def pem(bits: int) -> str:
    key = rsa.generate_private_key(65537, bits)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture
async def story(lab: DnsLab, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SesStory]:
    """Open an installation that sends by SES."""
    async with ses_story(lab, clock, tmp_path, monkeypatch) as story:
        yield story


async def test_ses_gets_no_key_or_selector_that_it_refuses(split_zone: str, story: SesStory) -> None:
    """SES takes 2048 bits at most, and selectors of one label; at the start, and when the key is changed."""
    with pytest.raises(Fault, match=r"3072 bits; the mail provider .* at most 2048") as refused:
        await story.world.add(split_zone, private_key=pem(3072))
    assert refused.value.kind is Kind.KEY_INVALID
    with pytest.raises(Fault, match="has a dot") as refused:
        await story.world.add(split_zone, selector="2026.q4")
    assert refused.value.kind is Kind.SELECTOR_INVALID
    assert "2026-q4" in str(refused.value.fix)
    assert (await story.world.add(split_zone, private_key=pem(2048), selector="q4")).selector == "q4"
    await story.verified(split_zone)
    for wish in (RotationRequest(selector="2027.q1"), RotationRequest(private_key=pem(3072))):
        with pytest.raises(Fault, match="mail provider"):
            await rotations.start(story.world.deps, story.world.account.id, split_zone, wish, OPERATOR)


async def test_other_providers_take_them(tmp_path: Path) -> None:
    """Without SES nothing refuses a larger key or a selector of two labels (RFC 6376 3.1, RFC 8301 3.2)."""
    async with opened(tmp_path, PROVIDER="dns") as world:
        assert (await world.add("acme.dev", private_key=pem(3072), selector="2026.q4")).selector == "2026.q4"
