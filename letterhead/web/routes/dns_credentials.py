"""Endpoints of the credentials of DNS hosts that an account has asked us to keep."""

from starlette.responses import Response

from letterhead.core.accounts.dns_credentials import DnsCredential
from letterhead.errors import Kind
from letterhead.operations import dns_credentials
from letterhead.operations.hosted_zones import given_access
from letterhead.web import schemas_dns_plans as schemas
from letterhead.web.context import ZONE_SECONDS, RequestContext
from letterhead.web.endpoint import Access, Endpoint
from letterhead.web.serialize import given, json_response


async def keep_dns_credential(context: RequestContext) -> Response:
    """Keeps a credential for the zone that a domain lies in, in place of the one that was kept before.

    It is tried first: its DNS host must show the zone by it. It is sealed, used for this zone alone, and no answer ever
    has its values.
    """
    asked = await context.body(schemas.NewDnsCredential)
    access = given_access(asked.host, asked.credential)
    async with context.state.zone_places.place(context.account_id, ZONE_SECONDS):
        kept = await dns_credentials.keep_credential(
            context.deps, context.account_id, asked.sender, access, context.actor, put_back=asked.put_back
        )
    return json_response(public_credential(kept), status=201)


async def list_dns_credentials(context: RequestContext) -> Response:
    """Lists the credentials that the account keeps, by zone, without their values."""
    kept = await dns_credentials.list_credentials(context.deps, context.account_id)
    return json_response(schemas.DnsCredentials(dns_credentials=tuple(map(public_credential, kept))))


async def change_dns_credential(context: RequestContext) -> Response:
    """Sets whether records of ours that vanish from the zone are put back; off, unless asked for.

    Each record is put back once a day at most: whoever takes it out again means it.
    """
    asked = await context.body(schemas.DnsCredentialChange)
    changed = await dns_credentials.change_credential(
        context.deps, context.account_id, context.part("credentialId"), context.actor, put_back=asked.put_back
    )
    return json_response(public_credential(changed))


async def delete_dns_credential(context: RequestContext) -> Response:
    """Deletes a credential. Revoke it at the DNS host, too: a backup of the database may still have it, sealed."""
    credential_id = context.part("credentialId")
    await dns_credentials.delete_credential(context.deps, context.account_id, credential_id, context.actor)
    return Response(status_code=204)


def public_credential(kept: DnsCredential) -> schemas.DnsCredentialOut:
    """Return a kept credential as the API shows it."""
    return schemas.DnsCredentialOut(
        id=kept.id,
        zone=kept.zone,
        host=kept.host,
        fields=kept.fields,
        created_at=kept.created_at,
        put_back=kept.put_back,
        used_at=given(kept.used_at),
        refused_at=given(kept.refused_at),
        refused_code=given(kept.refused_code),
    )


TOPIC = "Records at the DNS host"

ENDPOINTS = (
    Endpoint(
        method="GET", path="/dns-credentials", serve=list_dns_credentials, access=Access.READ, topic=TOPIC,
        answer=schemas.DnsCredentials,
    ),
    Endpoint(
        method="POST", path="/dns-credentials", serve=keep_dns_credential, access=Access.WRITE, topic=TOPIC,
        answer=schemas.DnsCredentialOut, body=schemas.NewDnsCredential, statuses=(201,),
        faults=(
            Kind.NOT_FOUND, Kind.PARAMETER_INVALID, Kind.CONFLICT, Kind.DNS_HOST_REFUSED, Kind.DNS_HOST_FAILED,
        ),
    ),
    Endpoint(
        method="PATCH", path="/dns-credentials/{credentialId}", serve=change_dns_credential, access=Access.WRITE,
        topic=TOPIC, answer=schemas.DnsCredentialOut, body=schemas.DnsCredentialChange, faults=(Kind.NOT_FOUND,),
    ),
    Endpoint(
        method="DELETE", path="/dns-credentials/{credentialId}", serve=delete_dns_credential, access=Access.WRITE,
        topic=TOPIC, statuses=(204,), faults=(Kind.NOT_FOUND,), free=True,
    ),
)  # fmt: skip
