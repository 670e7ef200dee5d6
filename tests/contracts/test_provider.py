"""What every provider promises, whoever it is: a new one inherits a contract class and says how it is made.

`ProviderContract` holds for all; `AccountProviderContract` for those that keep identities in an account that several
claims, installations and people share.
"""

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from letterhead.adapters.keyring import EnvelopeKeyring
from letterhead.adapters.keyring_settings import KeyEncryptionKey
from letterhead.adapters.providers import PROVIDERS, ProviderSetup
from letterhead.adapters.providers.dns import DnsProvider
from letterhead.adapters.providers.ses import open_ses
from letterhead.adapters.providers.simulated import SimulatedBehaviour, SimulatedProvider
from letterhead.core.domain.provider_identity import (
    Identity,
    IdentityUnknown,
    IdentityWish,
    Presence,
    ProviderStatus,
    ReturnPath,
)
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind
from letterhead.ports.provider import Provider
from tests.operations.ses_story import given_credentials
from tests.rigs.ses_wire import Ill, Ses, running

KEK = KeyEncryptionKey("k", Secret(bytes(32)))
KEY = EnvelopeKeyring([KEK]).make_pair().private_key  # a real one: who takes keys reads them
OURS, THEIRS = "here/account-1/domain-1", "here/account-2/domain-2"
WISH = IdentityWish(sender="acme.dev", owner=OURS, selector="lh-x1", public_key="MIIB", mail_from="lh.acme.dev")
WISH_OF_OTHERS = msgspec.structs.replace(WISH, owner=THEIRS, selector="lh-y2", public_key="MIIC")
OWN_RETURN_PATH = ReturnPath(mx_host="bounces.example.net", mx_priority=5, spf="include:spf.example.net")
TROUBLE = {Kind.PROVIDER_FAILED, Kind.PROVIDER_THROTTLED, Kind.PROVIDER_REFUSED}


class HandTurnedClock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> HandTurnedClock:
    return HandTurnedClock()


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Return the credentials that the emulator knows, and hide those of this machine."""
    given_credentials(monkeypatch, "http://127.0.0.1:9", tmp_path)


async def no_pause(_seconds: float) -> None:
    """Stand in for waiting."""


async def seen(provider: Provider, wish: IdentityWish = WISH) -> Identity:
    """Look, and insist on an answer."""
    word = await provider.identity_report(wish.sender, wish.owner)
    assert isinstance(word, Identity)
    return word


class ProviderContract:
    """The promises of every provider; a subclass has a fixture `provider`, which knows no domain yet."""

    async def test_first_look_is_answered(self, provider: Provider) -> None:
        """A domain never heard of is a value like any other, and carries the time it was seen."""
        assert (await seen(provider)).seen_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("sender", ["a." * 124 + "dev", "xn--bcher-kva.example", "x", "", "a\ud800.dev", "../.."])
    async def test_look_never_raises(self, provider: Provider, sender: str) -> None:
        """No name, however odd, makes a look fail."""
        assert isinstance(await provider.identity_report(sender, OURS), Identity | IdentityUnknown)

    async def test_registered_is_ours(self, provider: Provider) -> None:
        """What was registered is ours, by the answer and by the next look."""
        word = await provider.register(WISH, KEY)
        assert isinstance(word, Identity)
        assert (word.presence, word.selector, word.mail_from_name) == (Presence.OURS, WISH.selector, WISH.mail_from)
        looked = await seen(provider)
        assert looked.presence is Presence.OURS
        assert looked.selector in (WISH.selector, None)

    async def test_register_is_idempotent(self, provider: Provider) -> None:
        """Registering again, as after a crash in the middle, changes nothing and says the same."""
        first = await provider.register(WISH, KEY)
        looked = await seen(provider)
        assert await provider.register(WISH, KEY) == first
        assert await seen(provider) == looked

    async def test_restart_is_harmless(self, provider: Provider) -> None:
        """A restart where nothing was given up changes nothing; of what is gone it registers again."""
        first = await provider.register(WISH, KEY)
        assert await provider.restart(WISH, KEY) == first
        await provider.withdraw(WISH.sender, WISH.owner)
        word = await provider.restart(WISH, KEY)
        assert isinstance(word, Identity)
        assert word.presence is Presence.OURS

    async def test_withdraw_is_idempotent(self, provider: Provider) -> None:
        """Withdrawing what was never there, or twice, is harmless, and the domain can come back."""
        await provider.withdraw(WISH.sender, WISH.owner)
        await provider.register(WISH, KEY)
        await provider.withdraw(WISH.sender, WISH.owner)
        await provider.withdraw(WISH.sender, WISH.owner)
        await provider.register(WISH, KEY)
        assert (await seen(provider)).presence is Presence.OURS

    async def test_private_key_is_not_told(self, provider: Provider) -> None:
        """No answer of a provider, nor itself when printed, holds the private key."""
        words = [await provider.register(WISH, KEY), await provider.restart(WISH, KEY), await seen(provider)]
        told = msgspec.json.encode(words).decode() + f"{provider!r} {vars(provider)!r}"
        key = base64.b64encode(reveal(KEY)).decode()
        assert not [at for at in range(0, len(key) - 24, 24) if key[at : at + 24] in told]

    async def test_conditions_are_told(self, provider: Provider) -> None:
        """How the provider's account is can be asked at any time."""
        conditions = await provider.full_health()
        assert conditions
        assert all(each.said for each in conditions)

    async def test_return_path_is_usable(self, provider: Provider) -> None:
        """A MAIL FROM target is whole: host without final dot, sane priority, SPF terms without version or all."""
        path = provider.return_path
        assert path is not None
        assert path.mx_host == path.mx_host.lower().rstrip(".") != ""
        assert 0 <= path.mx_priority <= 65535
        assert "v=spf1" not in path.spf
        assert "all" not in path.spf.split()


class AccountProviderContract(ProviderContract):
    """Adds the promises of a shared account; a subclass has also a fixture `troubled`, which can't be reached."""

    async def test_unknown_is_absent(self, provider: Provider) -> None:
        """Absent is a fact, told apart from trouble."""
        assert (await seen(provider)).presence is Presence.ABSENT

    async def test_withdrawn_is_absent(self, provider: Provider) -> None:
        """A withdrawn identity is gone."""
        await provider.register(WISH, KEY)
        await provider.withdraw(WISH.sender, WISH.owner)
        assert (await seen(provider)).presence is Presence.ABSENT

    async def test_registered_is_not_yet_success(self, provider: Provider) -> None:
        """The provider makes up its own mind: it never starts at success."""
        await provider.register(WISH, KEY)
        assert (await seen(provider)).dkim in (ProviderStatus.PENDING, ProviderStatus.NOT_STARTED)

    async def test_new_key_replaces_ours(self, provider: Provider) -> None:
        """A rotation's new selector takes the old one's place in one call."""
        await provider.register(WISH, KEY)
        await provider.register(msgspec.structs.replace(WISH, selector="lh-x2", public_key="MIID"), KEY)
        assert (await seen(provider)).selector == "lh-x2"

    async def test_mail_from_follows_the_wish(self, provider: Provider) -> None:
        """Without a MAIL FROM wish none is held, and one that was held goes."""
        await provider.register(WISH, KEY)
        assert (await seen(provider)).mail_from_name == WISH.mail_from
        await provider.register(msgspec.structs.replace(WISH, mail_from=None), KEY)
        looked = await seen(provider)
        assert (looked.mail_from_name, looked.mail_from) == (None, ProviderStatus.NOT_STARTED)

    async def test_others_identity_is_foreign(self, provider: Provider) -> None:
        """Somebody else's identity is told as foreign, and nothing of what it holds."""
        await provider.register(WISH_OF_OTHERS, KEY)
        looked = await seen(provider, WISH)
        assert looked.presence is Presence.FOREIGN
        assert (looked.selector, looked.mail_from_name, looked.tokens) == (None, None, ())

    async def test_foreign_is_never_touched(self, provider: Provider) -> None:
        """Neither register, restart nor withdraw changes what is somebody else's; that it is so comes as a value."""
        await provider.register(WISH_OF_OTHERS, KEY)
        before = await seen(provider, WISH_OF_OTHERS)
        for word in (await provider.register(WISH, KEY), await provider.restart(WISH, KEY)):
            assert isinstance(word, Identity)
            assert word.presence is Presence.FOREIGN
        await provider.withdraw(WISH.sender, WISH.owner)
        assert await seen(provider, WISH_OF_OTHERS) == before

    async def test_list_and_holding_tell_all(self, provider: Provider) -> None:
        """An operator sees whatever is held, whoever put it there, and what is not held is not there."""
        assert await provider.list_identities() == {}
        assert await provider.find_holding(WISH.sender) is None
        await provider.register(WISH_OF_OTHERS, KEY)
        listed, holding = await provider.list_identities(), await provider.find_holding(WISH.sender)
        assert listed is not None
        assert list(listed) == [WISH.sender]
        assert holding is not None
        assert (holding.owner, holding.selector, holding.mail_from) == (THEIRS, "lh-y2", WISH.mail_from)

    async def test_adopted_is_ours_and_else_unchanged(self, provider: Provider) -> None:
        """Adoption changes whose it is and nothing more; what is not there is not adopted."""
        with pytest.raises(Fault) as caught:
            await provider.adopt(WISH.sender, OURS)
        assert caught.value.kind is Kind.PROVIDER_REFUSED
        await provider.register(WISH_OF_OTHERS, KEY)
        await provider.adopt(WISH.sender, OURS)
        looked = await seen(provider)
        assert (looked.presence, looked.selector) == (Presence.OURS, "lh-y2")
        await provider.register(WISH, KEY)
        assert (await seen(provider)).selector == WISH.selector

    async def test_domains_are_apart(self, provider: Provider) -> None:
        """What happens to one name leaves its parent, its child and its neighbour alone."""
        await provider.register(WISH, KEY)
        before = await seen(provider)
        for sender in ("mail.acme.dev", "dev", "acme.de"):
            other = msgspec.structs.replace(WISH, sender=sender)
            assert (await seen(provider, other)).presence is Presence.ABSENT
            await provider.withdraw(sender, OURS)
        assert await seen(provider) == before

    async def test_look_tells_trouble_as_a_value(self, troubled: Provider) -> None:
        """A provider that can't be asked moves no domain: the look is unknown, with the provider's own code."""
        word = await troubled.identity_report(WISH.sender, WISH.owner)
        assert isinstance(word, IdentityUnknown)
        assert word.provider_code
        assert word.detail

    async def test_writes_tell_trouble_as_a_fault(self, troubled: Provider) -> None:
        """Trouble in a write names the domain, the provider and the provider's own code: a 502 is made of it."""
        for write in (
            troubled.register(WISH, KEY),
            troubled.restart(WISH, KEY),
            troubled.withdraw(WISH.sender, WISH.owner),
        ):
            with pytest.raises(Fault) as caught:
                await write
            fault = caught.value
            assert fault.kind in TROUBLE
            assert fault.provider == troubled.name
            assert fault.provider_code
            assert WISH.sender in fault.detail
            assert fault.fix


class TestDns(ProviderContract):
    @pytest.fixture
    def provider(self, clock: HandTurnedClock) -> Provider:
        return DnsProvider(clock, OWN_RETURN_PATH)

    async def test_evidence_decides(self, provider: Provider) -> None:
        """Without a provider nothing but our own evidence stands between a domain and success."""
        looked = await seen(provider)
        assert (looked.presence, looked.dkim, looked.mail_from) == (
            Presence.OURS,
            ProviderStatus.SUCCESS,
            ProviderStatus.SUCCESS,
        )


class TestSimulated(AccountProviderContract):
    @pytest.fixture
    def provider(self, clock: HandTurnedClock) -> Provider:
        return SimulatedProvider(clock)

    @pytest.fixture
    def troubled(self, clock: HandTurnedClock) -> Provider:
        return SimulatedProvider(clock, behaviours={WISH.sender: SimulatedBehaviour.THROTTLED})


class TestSes(AccountProviderContract):
    @pytest.fixture
    async def ses(self, aws: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Ses]:
        async with running() as ses:
            given_credentials(monkeypatch, ses.url, tmp_path)
            yield ses

    @pytest.fixture
    async def provider(self, ses: Ses, clock: HandTurnedClock) -> AsyncIterator[Provider]:
        async with open_ses(ProviderSetup(clock=clock, region="eu-west-1", endpoint=ses.url), no_pause) as opened:
            yield opened

    @pytest.fixture
    async def troubled(self, ses: Ses, provider: Provider) -> Provider:
        ses.fate = lambda operation: Ill(status=429, code="TooManyRequestsException")
        return provider


@pytest.mark.parametrize("name", PROVIDERS)
async def test_registry_makes_each_by_its_name(name: str, clock: HandTurnedClock, aws: None) -> None:
    """The name in the settings is the name in an error's `provider`, and the operator's return path is kept.

    SES alone takes no other return path than its own.
    """
    async with PROVIDERS[name](ProviderSetup(clock=clock, return_path=OWN_RETURN_PATH, region="eu-west-1")) as provider:
        assert provider.name == name
        assert (provider.return_path == OWN_RETURN_PATH) is (name != "ses")


async def test_dns_plans_no_mail_from_by_itself(clock: HandTurnedClock) -> None:
    """Unless the operator names a return path, none is planned."""
    async with PROVIDERS["dns"](ProviderSetup(clock=clock)) as provider:
        assert provider.return_path is None
