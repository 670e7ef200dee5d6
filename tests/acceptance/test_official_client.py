"""Drive the service by the official Python client, unchanged: what it sends is taken, what it reads is there."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from pingram import Pingram
from pingram.exceptions import (
    ApiException,
    BadRequestException,
    ForbiddenException,
    NotFoundException,
    ServiceException,
    UnauthorizedException,
)
from pingram.models.create_key_request import CreateKeyRequest
from pingram.models.domain_dns_check import DomainDnsCheck
from pingram.models.post_senders_request_body import PostSendersRequestBody
from pingram.models.webhook_endpoint import WebhookEndpoint
from pingram.models.webhook_endpoint_upsert_request import WebhookEndpointUpsertRequest

from letterhead.core.accounts.accounts import Scope
from letterhead.core.accounts.quotas import Limits
from letterhead.ports.store.domains import DomainUpdate
from tests.web.conftest import Installation, running


def wish(sender: str) -> PostSendersRequestBody:
    return PostSendersRequestBody(sender=sender)


@pytest.fixture
async def installation(tmp_path: Path) -> AsyncIterator[Installation]:
    """Run an installation whose account may have three domains."""
    async with running(tmp_path, limits=Limits(domains=3)) as installed:
        yield installed


@pytest.fixture
async def client(installation: Installation) -> AsyncIterator[Pingram]:
    """Open the official client with the account's key."""
    async with Pingram(api_key=installation.keys["acme"], base_url=installation.url) as opened:
        yield opened


async def test_life_of_a_domain(client: Pingram) -> None:
    """List, add, start verification, delete: the client reads all of it into its own types."""
    assert await client.domains.domains_list_domains() == []
    (added,) = await client.domains.domains_add_domain(wish("Bücher.dev"))
    assert (added.sender, added.status) == ("xn--bcher-kva.dev", "PENDING")
    assert abs((datetime.now(UTC) - added.last_sync).total_seconds()) < 60
    records = added.verification_records
    assert records is not None
    assert records.dkim is not None
    assert records.dkim.host == f"{added.selector}._domainkey.xn--bcher-kva.dev"
    assert records.mail_from_mx is not None
    assert records.mail_from_mx.priority == 10
    (started,) = await client.domains.domains_start_domain_verification("Bücher.dev")
    assert started.sender == added.sender
    (listed,) = await client.domains.domains_list_domains()
    assert listed.private_dkim_key
    assert (await client.domains.domains_delete_domain(added.sender)).success is True
    assert await client.domains.domains_list_domains() == []


async def test_dns_check_in_the_clients_own_model(installation: Installation, client: Pingram) -> None:
    """The client has a model of the DNS check without a call for it; our answer is read by it."""
    await client.domains.domains_add_domain(wish("acme.dev"))
    async with installation.client(installation.keys["acme"]) as plain:
        looked = DomainDnsCheck.from_json((await plain.get("/domains/acme.dev/dns-check")).text)
    assert looked is not None
    assert (looked.sender, looked.can_start_verification) == ("acme.dev", False)
    assert {record.id for record in looked.records} == {"dkim", "mail_from_mx", "mail_from_spf", "dmarc"}


async def test_life_of_a_key(installation: Installation, client: Pingram) -> None:
    """Make, use, list and revoke a key."""
    made = await client.keys.keys_create_api_key(CreateKeyRequest(keyType="secret", name="second"))
    async with Pingram(api_key=made.key, base_url=installation.url) as second:
        assert await second.domains.domains_list_domains() == []
        listed = {key.id: key for key in (await client.keys.keys_list_api_keys()).keys}
        assert listed[made.id].revoked is False
        assert made.key not in str(listed)
        assert (await client.keys.keys_revoke_api_key(made.id)).message
        with pytest.raises(UnauthorizedException):
            await second.domains.domains_list_domains()


async def test_status(client: Pingram) -> None:
    """The client's health check reads our message."""
    assert (await client.health.health_health_check()).message


async def test_refusals_reach_the_person(installation: Installation, client: Pingram) -> None:
    """Each refusal is raised as the client's own exception, and its text tells what happened."""
    with pytest.raises(BadRequestException, match="address"):
        await client.domains.domains_add_domain(wish("127.0.0.1"))
    with pytest.raises(NotFoundException):
        await client.domains.domains_delete_domain("nobody.dev")
    async with Pingram(api_key="lh_live_wrong", base_url=installation.url) as stranger:
        with pytest.raises(UnauthorizedException):
            await stranger.domains.domains_list_domains()
    reader = await installation.make_key("acme", Scope.READ)
    async with Pingram(api_key=reader, base_url=installation.url) as limited:
        with pytest.raises(ForbiddenException):
            await limited.domains.domains_add_domain(wish("acme.dev"))


async def test_over_the_limit(client: Pingram) -> None:
    """402 tells what is used and allowed, in the client's own error type."""
    for name in ("a.dev", "b.dev", "c.dev"):
        await client.domains.domains_add_domain(wish(name))
    with pytest.raises(ApiException, match="3 are allowed") as refused:
        await client.domains.domains_add_domain(wish("d.dev"))
    error, told = refused.value, refused.value.data
    assert told is not None
    assert error.headers is not None
    assert (error.status, told.error.code) == (402, "usage-limit-exceeded")
    assert told.tracking_id == error.headers["x-tracking-id"]


async def test_provider_and_bug(installation: Installation, client: Pingram, monkeypatch: pytest.MonkeyPatch) -> None:
    """502 names the provider, 500 says a fixed sentence; both come as the client's ServiceException."""
    await client.domains.domains_add_domain(wish("throttled.dev"))
    domain = await installation.world.domain("throttled.dev")
    told = msgspec.structs.replace(domain, registered_at=installation.deps.now())
    assert await installation.deps.store.save(DomainUpdate(domain=told))
    request = client.domains._domains_list_domains_serialize(
        _request_auth=None, _content_type=None, _headers=None, _host_index=0
    )
    method, url, headers, *rest = request
    assert client._api_client is not None
    answer = await client._api_client.call_api(method, f"{url}?refresh=true", headers, *rest)
    await answer.read()
    with pytest.raises(ServiceException) as refused:
        client._api_client.response_deserialize(answer, {"502": "ApiErrorResponse"})
    assert refused.value.data is not None
    assert refused.value.data.error.code == "provider-failed"
    monkeypatch.setattr(installation.provider, "return_path", "broken")
    with pytest.raises(ServiceException) as broken:
        await client.domains.domains_list_domains()
    assert broken.value.status == 500


async def test_webhooks(installation: Installation, client: Pingram) -> None:
    """The client lists and deletes; its own names of events are not ours, and it says so with our code."""
    assert (await client.webhooks.webhooks_list_webhooks()).endpoints == []
    foreign = WebhookEndpointUpsertRequest(webhook="https://hooks.acme.dev/", events=["EMAIL_OPEN"])
    with pytest.raises(BadRequestException) as refused:
        await client.webhooks.webhooks_create_webhook(foreign)
    assert "webhook-events-invalid" in str(refused.value.body)
    async with installation.client(installation.keys["acme"]) as plain:
        asked = {"webhook": "https://hooks.acme.dev/", "events": ["*"]}
        made = (await plain.post("/webhooks", json=asked)).json()
        assert set(WebhookEndpoint.model_fields) <= set(made)
        await client.webhooks.webhooks_delete_webhook(made["id"])
        assert (await plain.get("/webhooks")).json() == {"endpoints": []}
