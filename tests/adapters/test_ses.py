"""SES in every kind of trouble: what is tried again, what a person is told, and what nobody is told."""

import asyncio
import base64
import logging
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from letterhead.adapters.keyring import EnvelopeKeyring
from letterhead.adapters.keyring_settings import KeyEncryptionKey
from letterhead.adapters.providers import ProviderSetup
from letterhead.adapters.providers.ses import SesProvider, open_ses
from letterhead.core.domain.provider_identity import Identity, IdentityReport, IdentityUnknown, IdentityWish, Presence
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from tests.operations.ses_story import given_credentials
from tests.rigs.ses_wire import Ill, Ses, running

KEK = KeyEncryptionKey("k", Secret(bytes(32)))
KEY = EnvelopeKeyring([KEK]).make_pair().private_key
WISH = IdentityWish(sender="acme.dev", owner="here/acc/dom", selector="lh1", public_key="", mail_from="lh.acme.dev")
THROTTLED = Ill(status=429, code="TooManyRequestsException")


@pytest.fixture
async def ses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Ses]:
    """Run the emulator, with credentials that it knows."""
    async with running() as ses:
        given_credentials(monkeypatch, ses.url, tmp_path)
        yield ses


@pytest.fixture
def pauses() -> list[float]:
    """Collect for how long the provider would have waited."""
    return []


@pytest.fixture
async def provider(ses: Ses, pauses: list[float]) -> AsyncIterator[SesProvider]:
    """Open SES as the environment has it."""

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async with open_ses(ProviderSetup(clock=lambda: datetime.now(UTC), region="eu-west-1"), pause) as provider:
        yield provider


@pytest.mark.parametrize(
    "ill",
    [
        THROTTLED,
        Ill(status=400, code="Throttling"),
        Ill(status=500, code="ConcurrentModificationException"),
        Ill(status=500, code="InternalFailure"),
        Ill(status=503, code="ServiceUnavailable"),
        Ill(reset=True),
        Ill(reset=True, after=True),
        Ill(half=True),
    ],
    ids=lambda ill: f"{ill.code or ('reset' if ill.reset else 'half')}{'-after' if ill.after else ''}",
)
@pytest.mark.parametrize("operation", ["GetEmailIdentity", "CreateEmailIdentity", "PutEmailIdentityMailFromAttributes"])
async def test_what_passes_is_tried_again(
    ses: Ses, provider: SesProvider, pauses: list[float], ill: Ill, operation: str
) -> None:
    """Trouble of a moment costs a pause; where only the answer was lost, the same identity is found to be ours."""
    ses.ills[operation] = [ill, ill]
    word = await provider.register(WISH, KEY)
    assert isinstance(word, Identity)
    assert (word.presence, word.selector, word.mail_from_name) == (Presence.OURS, "lh1", "lh.acme.dev")
    assert len(pauses) == 2 or (ill.reset and len(pauses) == 1)  # aiohttp repeats by itself after a reset
    assert all(pause <= longest for pause, longest in zip(pauses, (0.5, 1.0), strict=False))
    assert len(ses.state.identities) == 1


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":"\xff"}', b"[" * 100_000, b'{"a":' * 50_000, b"null", b"[]", b'"x"', b"7", b"", b"\0" * 100, b"9" * 5000,
        b'{"DkimAttributes":[]}', b'{"DkimAttributes":{"Tokens":7}}', b'{"Tags":[null]}', b'{"Tags":{"a":1}}',
        b'{"VerificationInfo":{"LastCheckedTimestamp":1e30}}', b'{"VerificationInfo":{"LastCheckedTimestamp":"x"}}',
    ],
)  # fmt: skip
async def test_no_answer_breaks_us(ses: Ses, provider: SesProvider, body: bytes) -> None:
    """Whatever SES, or somebody in its place, answers: it is a word of the provider or a fault, and no bug of ours."""
    ses.fate = lambda operation: Ill(body=body)
    assert isinstance(await provider.identity_report("acme.dev", WISH.owner), IdentityReport)
    try:
        assert isinstance(await provider.register(WISH, KEY), IdentityReport)
    except Fault as fault:
        assert fault.kind is Kind.PROVIDER_FAILED


async def test_pauses_are_anywhere_below_their_limit(ses: Ses, provider: SesProvider, pauses: list[float]) -> None:
    """Full jitter: those who were refused together do not come back together, and none waits without end."""
    random.seed(7)
    ses.fate = lambda operation: THROTTLED
    for _ in range(40):
        await provider.identity_report("acme.dev", WISH.owner)
    thirds = pauses[2::3]
    assert max(pauses) <= 2.0
    assert min(thirds) < 0.4
    assert max(thirds) > 1.6


async def test_what_lasts_is_tried_four_times(ses: Ses, provider: SesProvider) -> None:
    """Trouble that lasts ends in a fault with SES's own code, and the work is tried again later."""
    ses.fate = lambda operation: THROTTLED
    with pytest.raises(Fault) as caught:
        await provider.register(WISH, KEY)
    assert (caught.value.kind, caught.value.provider) == (Kind.PROVIDER_THROTTLED, "ses")
    assert caught.value.provider_code == "TooManyRequestsException"
    assert len(ses.ledger) == 4


async def test_a_slow_answer_ends(ses: Ses, provider: SesProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that does not come is trouble, not a hang."""
    monkeypatch.setattr("letterhead.adapters.providers.ses.provider.SECONDS", 0.2)
    ses.fate = lambda operation: Ill(delay=1.0)
    word = await provider.identity_report("acme.dev", WISH.owner)
    assert isinstance(word, IdentityUnknown)
    assert word.provider_code == "Timeout"
    await asyncio.sleep(1)  # for the emulator's own sake


@pytest.mark.parametrize(
    ("ill", "kind", "advice"),
    [
        (Ill(status=400, code="LimitExceededException"), Kind.PROVIDER_REFUSED, "letterhead reconcile"),
        (Ill(status=400, code="AccountSuspendedException"), Kind.PROVIDER_REFUSED, "AWS console"),
        (Ill(status=400, code="BadRequestException"), Kind.PROVIDER_REFUSED, "its own words"),
        (Ill(status=403, code="ExpiredTokenException"), Kind.PROVIDER_REFUSED, "renew"),
        (Ill(status=403, code="InvalidClientTokenId"), Kind.PROVIDER_REFUSED, "LETTERHEAD_SES_REGION"),
        (Ill(status=403, code="OptInRequired"), Kind.PROVIDER_REFUSED, "LETTERHEAD_SES_REGION"),
    ],
    ids=lambda part: part.code if isinstance(part, Ill) else "",
)
async def test_what_a_person_can_mend_says_how(
    ses: Ses, provider: SesProvider, ill: Ill, kind: Kind, advice: str
) -> None:
    """Each code that stays until somebody acts is told once, without another try, with what to do."""
    ses.ills["CreateEmailIdentity"] = [ill]
    with pytest.raises(Fault) as caught:
        await provider.register(WISH, KEY)
    assert caught.value.kind is kind
    assert caught.value.provider_code == ill.code
    assert advice in str(caught.value.fix)
    assert len(ses.calls("CreateEmailIdentity")) == 1


async def test_a_missing_permission_is_named(ses: Ses, provider: SesProvider) -> None:
    """The action that must be allowed stands in the fix; who the operator is at AWS stands nowhere."""
    ses.state.denied = {"CreateEmailIdentity"}
    with pytest.raises(Fault) as caught:
        await provider.register(WISH, KEY)
    assert "Allow ses:CreateEmailIdentity" in str(caught.value.fix)
    assert "123456789012" not in f"{caught.value.detail}{caught.value.fix}"
    ses.state.denied = {"GetEmailIdentity"}
    word = await provider.identity_report("acme.dev", WISH.owner)
    assert isinstance(word, IdentityUnknown)
    assert "Allow ses:GetEmailIdentity" in str(word.fix)


async def test_wrong_credentials_are_refused(ses: Ses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The emulator recomputes the signature, and the fault says whose fault it is."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    async with open_ses(ProviderSetup(clock=lambda: datetime.now(UTC), region="eu-west-1")) as provider:
        word = await provider.identity_report("acme.dev", WISH.owner)
        assert isinstance(word, IdentityUnknown)
        assert word.provider_code == "InvalidSignatureException"
        assert "credentials" in str(word.fix)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    async with open_ses(ProviderSetup(clock=lambda: datetime.now(UTC), region="eu-west-1")) as provider:
        word = await provider.identity_report("acme.dev", WISH.owner)
        assert isinstance(word, IdentityUnknown)
        assert word.provider_code == "NoCredentialsError"


async def test_a_profile_gives_credentials_and_region(
    ses: Ses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Credentials and region are found as by every AWS program."""
    (tmp_path / "config").write_text("[profile mail]\nregion = eu-central-1\n", "utf-8")
    (tmp_path / "credentials").write_text(
        "[mail]\naws_access_key_id = AKIDEMULATOR\naws_secret_access_key = a-secret-of-the-emulator-0123456789\n",
        "utf-8",
    )
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_PROFILE", "mail")
    async with open_ses(ProviderSetup(clock=lambda: datetime.now(UTC))) as provider:
        assert provider.return_path.mx_host == "feedback-smtp.eu-central-1.amazonses.com"
        assert isinstance(await provider.identity_report("acme.dev", WISH.owner), Identity)


async def test_without_a_region_nothing_starts(ses: Ses, monkeypatch: pytest.MonkeyPatch) -> None:
    """The region stands in what customers publish: none is ever guessed."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(Fault) as caught:
        async with open_ses(ProviderSetup(clock=lambda: datetime.now(UTC))):
            pass
    assert "LETTERHEAD_SES_REGION" in str(caught.value.fix)


async def test_no_log_has_a_key(ses: Ses, provider: SesProvider, caplog: pytest.LogCaptureFixture) -> None:
    """Neither the private key nor the AWS secret stands in any log, be the root at DEBUG, nor in a fault."""
    caplog.set_level(logging.DEBUG)
    await provider.register(WISH, KEY)
    ses.ills["PutEmailIdentityDkimSigningAttributes"] = [Ill(status=400, code="BadRequestException")]
    wish = IdentityWish(sender="acme.dev", owner=WISH.owner, selector="not a selector", public_key="", mail_from=None)
    with pytest.raises(Fault) as caught:
        await provider.register(wish, KEY)
    told = caplog.text + caught.value.detail + str(caught.value.fix)
    private = base64.b64encode(reveal(KEY)).decode()
    assert not [at for at in range(0, len(private) - 24, 24) if private[at : at + 24] in told]
    assert "a-secret-of-the-emulator" not in told


async def test_spent_turns_are_told_as_throttling(ses: Ses, pauses: list[float]) -> None:
    """Where all turns of the near future are taken, nothing is sent, and it is tried later."""

    async def never(_account: str, _patience: float) -> float | None:
        return None

    async with open_ses(
        ProviderSetup(clock=lambda: datetime.now(UTC), wait_for_slot=never, region="eu-west-1")
    ) as provider:
        word = await provider.identity_report("acme.dev", WISH.owner)
        assert isinstance(word, IdentityUnknown)
        with pytest.raises(Fault) as caught:
            await provider.register(WISH, KEY)
        assert caught.value.kind is Kind.PROVIDER_THROTTLED
        assert caught.value.retry_after
    assert ses.ledger == []


async def test_doctor_learns_who_we_are_and_what_is_missing(ses: Ses, provider: SesProvider) -> None:
    """Identity, region, sandbox or production, quota, and each action that is not allowed; nothing is made by it."""
    who, standing, actions = await provider.full_health()
    assert "eu-west-1" in who.said
    assert "arn:aws:iam::123456789012:user/letterhead" in who.said
    assert standing.said.startswith("production, healthy: 50000 mails a day, 14 a second")
    assert actions.ok
    ses.state.production = False
    ses.state.denied = {"DeleteEmailIdentity", "PutEmailIdentityDkimSigningAttributes"}
    _, standing, actions = await provider.full_health()
    assert not standing.ok
    assert "production access" in str(standing.fix)
    assert actions.said == "not allowed: ses:PutEmailIdentityDkimSigningAttributes, ses:DeleteEmailIdentity"
    ses.state.denied = {"GetAccount"}
    (only,) = await provider.full_health()
    assert "ses:GetAccount" in str(only.fix)
    assert ses.state.identities == {}
