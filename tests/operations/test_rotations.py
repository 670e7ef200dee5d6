"""The change of keys as a story: asked for, published, seen, switched, cleaned up; and all that can get in its way."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from letterhead.adapters.providers.simulated import SimulatedProvider
from letterhead.core.domain.domain import Domain, EventKind
from letterhead.core.domain.health import HealthState
from letterhead.core.domain.provider_identity import Identity
from letterhead.core.plan.plan import PlannedRecord, RecordId
from letterhead.core.rotation import rotation
from letterhead.core.rotation.rotation import Stage
from letterhead.errors import Fault, Kind
from letterhead.operations import domains, on_demand_checks, private_keys, rotations
from letterhead.operations.provider_work import owner_tag
from letterhead.operations.rotations import NOTHING, RotationRequest
from letterhead.wiring.assemble import Overrides
from tests.operations.test_claims import verified
from tests.operations.world import OPERATOR, Clock, World, WrittenDns, opened

NAME = "acme.test"


@pytest.fixture
def provider(clock: Clock) -> SimulatedProvider:
    """Return a provider that holds one identity of each name."""
    return SimulatedProvider(clock)


@pytest.fixture
async def ours(tmp_path: Path, clock: Clock, dns: WrittenDns, provider: SimulatedProvider) -> AsyncIterator[World]:
    """Open an installation with one verified domain."""
    async with opened(tmp_path, Overrides(resolver=dns, provider=provider, now=clock)) as world:
        await verified(world, dns, clock)
        yield world


async def start(world: World, *, selector: object = None, private_key: str | None = None) -> Domain:
    """Ask for a change of keys."""
    wish = RotationRequest(selector=selector, private_key=private_key)
    return await rotations.start(world.deps, world.account.id, NAME, wish, OPERATOR)


async def new_record(world: World) -> PlannedRecord:
    """Return the new key's record."""
    record = domains.plan_of(world.deps, await world.domain(NAME)).record(RecordId.DKIM_NEXT)
    assert record is not None
    return record


async def key_in_clear(world: World) -> str:
    """Read the private key as the API shows it."""
    domain = await world.domain(NAME)
    return (await private_keys.private_keys(world.deps, world.account.id, [domain], OPERATOR))[domain.id].dkim


async def selector_at(provider: SimulatedProvider, world: World) -> str | None:
    """Say which selector the provider signs with."""
    domain = await world.domain(NAME)
    word = await provider.identity_report(NAME, owner_tag(world.deps, domain))
    assert isinstance(word, Identity)
    return word.selector


async def selectors_kept(world: World) -> set[str]:
    """List the selectors whose private keys are kept."""
    return {selector for _, selector in await world.deps.store.sealed_keys(world.account.id)}


async def switched(world: World, dns: WrittenDns, clock: Clock) -> Domain:
    """Bring a change of keys to its switch."""
    await start(world)
    dns.publish(await new_record(world))
    await world.look(NAME)
    clock.turn(minutes=10)
    return await world.look(NAME)


async def test_from_the_wish_to_the_last_old_record(
    ours: World, dns: WrittenDns, clock: Clock, provider: SimulatedProvider
) -> None:
    """The whole story: until the switch key, selector and provider are the old ones; then all is new, and one event."""
    before, old_key, old_record = await ours.domain(NAME), await key_in_clear(ours), await ours.dkim(NAME)
    under_way = await start(ours)
    assert under_way.rotation is not None
    new = under_way.rotation.selector
    for _ in range(3):
        clock.turn(minutes=20)
        domain = await ours.look(NAME)
        assert (domain.selector, domain.dkim.state, rotation.stage(domain)) == (
            before.selector, HealthState.VERIFIED, Stage.WAITING,
        )  # fmt: skip
    dns.publish(await new_record(ours))
    assert rotation.stage(await ours.look(NAME)) is Stage.SEEN
    clock.turn(minutes=9)
    await ours.look(NAME)
    assert await key_in_clear(ours) == old_key
    assert await selector_at(provider, ours) == before.selector
    clock.turn(minutes=1)
    domain = await ours.look(NAME)
    assert (domain.selector, rotation.stage(domain)) == (new, Stage.SWITCHED)
    assert await key_in_clear(ours) != old_key
    assert await selector_at(provider, ours) == new
    assert [event.kind for event in await ours.events(NAME)][-2:] == [EventKind.RECORD_CHANGED, EventKind.DKIM_ROTATED]
    clock.turn(minutes=5)
    domain = await ours.look(NAME)
    assert domain.dkim.state is HealthState.VERIFIED
    checkup = (await ours.view(NAME)).last_check
    assert checkup is not None
    assert {each.code for each in checkup.findings} <= {"identity.provider-lags", "mail-from.mx-missing",
        "mail-from.spf-missing", "dmarc.missing"}  # fmt: skip
    assert await selectors_kept(ours) == {before.selector, new}
    clock.turn(days=7)
    assert rotation.stage(await ours.look(NAME)) is Stage.REMOVABLE
    assert await selectors_kept(ours) == {new}
    await ours.look(NAME)
    checkup = (await ours.view(NAME)).last_check
    assert checkup is not None
    live = [each for each in checkup.findings if each.code == "dkim.old-selector-live"]
    assert [each.host for each in live] == [old_record.host]
    dns.withdraw(old_record)
    assert rotation.stage(await ours.look(NAME)) is Stage.NONE


async def test_the_official_checks_see_both_keys(ours: World, dns: WrittenDns) -> None:
    """A look that changes nothing shows the new key's record too, and it keeps nothing from starting."""
    await start(ours)
    found = await on_demand_checks.dns_check(ours.deps, await ours.domain(NAME))
    verdicts = {each.record.id: each.verdict for each in found.examination.results}
    assert (verdicts[RecordId.DKIM], verdicts[RecordId.DKIM_NEXT]) == ("present", "absent")


async def test_asked_again_nothing_changes(ours: World) -> None:
    """Whoever asks twice gets the rotation that is under way; another wish beside it is refused."""
    first = await start(ours)
    assert (await start(ours)).rotation == first.rotation
    with pytest.raises(Fault) as refused:
        await start(ours, selector="other")
    assert refused.value.kind is Kind.CONFLICT
    assert (await ours.domain(NAME)).rotation == first.rotation


async def test_only_a_proven_key_is_followed(tmp_path: Path, clock: Clock, dns: WrittenDns) -> None:
    """A pending domain has no key in use: it is told what to do instead."""
    async with opened(tmp_path / "new", Overrides(resolver=dns, now=clock)) as world:
        await world.add(NAME)
        with pytest.raises(Fault) as refused:
            await start(world)
        assert refused.value.kind is Kind.CONFLICT
        assert refused.value.fix


async def test_abandoned_before_the_switch(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """The new key is destroyed, its selector used up; abandoning twice is no fault, after the switch it is."""
    old = (await ours.domain(NAME)).selector
    await start(ours, selector="second")
    after = await rotations.abandon(ours.deps, ours.account.id, NAME, OPERATOR)
    assert (after.selector, after.rotation) == (old, None)
    assert await selectors_kept(ours) == {old}
    assert (await rotations.abandon(ours.deps, ours.account.id, NAME, OPERATOR)).rotation is None
    with pytest.raises(Fault) as used:
        await start(ours, selector="second")
    assert used.value.kind is Kind.SELECTOR_USED
    await switched(ours, dns, clock)
    with pytest.raises(Fault) as late:
        await rotations.abandon(ours.deps, ours.account.id, NAME, OPERATOR)
    assert late.value.kind is Kind.CONFLICT


async def test_an_own_key_and_selector(ours: World) -> None:
    """An own key is taken as it is; one that is too short is refused by name, and nothing is under way then."""

    def pem(bits: int) -> str:
        key = rsa.generate_private_key(65537, bits)
        return key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()).decode()

    with pytest.raises(Fault, match="1024 bits") as short:
        await start(ours, private_key=pem(1024))
    assert short.value.kind is Kind.KEY_INVALID
    for wrong in ("a b", "", "ä", 7):
        with pytest.raises(Fault) as bad:
            await start(ours, selector=wrong)
        assert bad.value.kind is Kind.SELECTOR_INVALID
    assert (await ours.domain(NAME)).rotation is None
    own = await start(ours, private_key=pem(2048), selector="Own2")
    assert own.rotation is not None
    assert own.rotation.selector == "own2"


async def test_the_customer_who_replaced_the_record_loses_little(ours: World, dns: WrittenDns) -> None:
    """The old record gone and the new one there: mail fails until the new key signs, so it does at once."""
    old = await ours.dkim(NAME)
    await start(ours)
    dns.publish(await new_record(ours))
    dns.withdraw(old)
    domain = await ours.look(NAME)
    assert (domain.selector, domain.dkim.state) == ((await ours.domain(NAME)).selector, HealthState.VERIFIED)
    assert domain.selector != old.host.partition(".")[0]
    assert (await ours.look(NAME)).dkim.state is HealthState.VERIFIED


async def test_a_broken_new_record_harms_nothing(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """A wrong new record for a week: the domain stays verified, and the finding about it does not block."""
    await start(ours)
    record = await new_record(ours)
    dns.records[record.host, "TXT"] = f'{record.host}. 300 TXT "v=DKIM1; k=rsa; p="'
    for _ in range(5):
        clock.turn(days=1)
        domain = await ours.look(NAME)
    assert (domain.dkim.state, rotation.stage(domain)) == (HealthState.VERIFIED, Stage.WAITING)
    checkup = (await ours.view(NAME)).last_check
    assert checkup is not None
    (revoked,) = [each for each in checkup.findings if each.code == "dkim.revoked"]
    assert (revoked.record, revoked.severity) == ("dkim_next", "warning")


async def test_delete_destroys_both_keys(ours: World, dns: WrittenDns) -> None:
    """Nothing of either key is left; neither selector comes again."""
    domain = await start(ours)
    assert domain.rotation is not None
    assert len(await selectors_kept(ours)) == 2
    await domains.delete_domain(ours.deps, ours.account.id, NAME, OPERATOR)
    assert await selectors_kept(ours) == set()
    with pytest.raises(Fault) as used:
        await ours.add(NAME, selector=domain.rotation.selector)
    assert used.value.kind is Kind.SELECTOR_USED


async def test_either_key_holds_the_name_and_a_transfer_ends_the_rotation(
    ours: World, dns: WrittenDns, clock: Clock
) -> None:
    """The holder's new key alone keeps its name from a challenger; once both are gone, its rotation ends with it."""
    theirs, old = await ours.other("globex"), await ours.dkim(NAME)
    await start(ours)
    mine, other = await new_record(ours), None
    await theirs.add(NAME)
    other = await theirs.dkim(NAME)
    dns.publish(mine, other)
    dns.withdraw(old)
    for _ in range(3):
        clock.turn(hours=25)
        assert not (await theirs.look(NAME)).is_holder
    dns.withdraw(mine)
    for _ in range(2):
        clock.turn(hours=25)
        taken = await theirs.look(NAME)
    assert taken.is_holder
    lost = await ours.domain(NAME)
    assert (lost.is_holder, lost.rotation, lost.dkim.state) == (False, None, HealthState.FAILED)
    assert await selectors_kept(ours) == {lost.selector}


async def test_a_reader_between_two_reads_gets_a_pair(ours: World, dns: WrittenDns, clock: Clock) -> None:
    """Who has read the old selector just before the switch still gets the key that belongs to it."""
    stale, key = await ours.domain(NAME), await key_in_clear(ours)
    await switched(ours, dns, clock)
    shown = await private_keys.private_keys(ours.deps, ours.account.id, [stale], OPERATOR)
    assert {each: keys.dkim for each, keys in shown.items()} == {stale.id: key}


async def test_the_policy_rotates_by_itself(tmp_path: Path, clock: Clock, dns: WrittenDns) -> None:
    """Off unless set; where it is set a key of 180 days gets a successor, once, and never twice at a time."""
    for name, days in (("off", {}), ("on", {"ROTATE_DKIM_DAYS": "180"})):
        async with opened(tmp_path / name, Overrides(resolver=dns, now=clock), **days) as world:
            await verified(world, dns, clock)
            for wait in (179, 2, 1):
                clock.turn(days=wait)
                domain = await world.look(NAME)
                await rotations.start_if_due(world.deps, domain)
            started = (await world.domain(NAME)).rotation
            assert (started is not None) == (name == "on")
            asked = [each for each in await world.events(NAME) if "due by the operator" in each.detail]
            assert len(asked) == (name == "on")
    assert RotationRequest() == NOTHING
