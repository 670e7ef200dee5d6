"""Emulates Amazon SES v2: what it holds, how it verifies against real DNS, what it refuses. `ses_wire` speaks for it.

Modelled, from Amazon's documentation: identities with a key of ours or of SES's own, tags, MAIL FROM, verification by
DNS with SUCCESS, PENDING, TEMPORARY_FAILURE and, after 72 hours, FAILED until the key is put again; paged lists; the
account's limits; permissions of the caller; tenants and what belongs to them.
Not modelled: sending; e-mail address identities; configuration sets; policies; replication between regions; Amazon's
own schedule (a test says when it looks); how long changes take to be seen everywhere; which of two keys signs while a
new one is pending; what becomes of a tenant's identity that is deleted (it is refused here); the error texts
beyond those that we read.
"""

import base64
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_private_key
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.TXT import TXT

GIVES_UP_AFTER = 72 * 3600.0
ACCOUNT = "123456789012"

Answer = dict[str, Any]


class AwsError(Exception):
    """Is an answer that says no."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(code)
        self.status, self.code, self.message = status, code, message


@dataclass
class Emulated:
    """One identity; times are seconds since the epoch. `pinned` keeps a status that a test has set."""

    name: str
    tags: dict[str, str]
    origin: str
    tokens: list[str]
    public_key: str
    since: float
    status: str = "PENDING"
    signing: bool = True
    error: str | None = None
    checked_at: float | None = None
    mail_from: str | None = None
    mail_from_status: str = "PENDING"
    mail_from_since: float = 0.0
    on_mx_failure: str = "USE_DEFAULT_VALUE"
    pinned: bool = False


@dataclass
class SesState:
    """One AWS account in one region; `denied` are the actions that the caller may not do."""

    region: str = "eu-west-1"
    now: Callable[[], float] = time.time
    identities: dict[str, Emulated] = field(default_factory=dict)
    denied: set[str] = field(default_factory=set)
    most: int = 10_000
    production: bool = True
    tenants: dict[str, set[str]] = field(default_factory=dict)

    def answer(self, operation: str, asked: Mapping[str, Any]) -> Answer:
        """Do one operation."""
        if operation in self.denied:
            who = f"arn:aws:iam::{ACCOUNT}:user/letterhead"
            said = f"User: {who} is not authorized to perform: ses:{operation} on resource: {self.arn('*')}"
            raise AwsError(403, "AccessDeniedException", said)
        done = _OPERATIONS.get(operation)
        if done is None:
            raise AwsError(501, "NotImplemented", f"The emulator has no {operation}.")
        return done(self, asked)

    def arn(self, name: str) -> str:
        """Name an identity as tags and policies do."""
        return f"arn:aws:ses:{self.region}:{ACCOUNT}:identity/{name}"

    def held(self, asked: Mapping[str, Any], status: int = 404) -> Emulated:
        """Find the identity that is asked for."""
        name = str(asked["EmailIdentity"]).lower()
        if name not in self.identities:
            code = "NotFoundException" if status == 404 else "BadRequestException"
            raise AwsError(status, code, f"Email identity <{name}> does not exist.")
        return self.identities[name]

    def pin(self, name: str, **status: str) -> None:
        """Set words of an identity by hand; no look at DNS changes them until `unpin`."""
        identity = self.identities[name]
        identity.pinned = True
        for key, value in status.items():
            setattr(identity, key, value)

    def unpin(self, name: str) -> None:
        """Let DNS decide again."""
        self.identities[name].pinned = False

    async def verify(self, server: str, port: int) -> None:
        """Look at DNS for every identity, as SES does in the background."""
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port, resolver.lifetime, resolver.cache = [server], port, 2.0, None
        for identity in list(self.identities.values()):
            if not identity.pinned:
                await self._verify_key(identity, resolver)
                await self._verify_mail_from(identity, resolver)

    async def _verify_key(self, identity: Emulated, resolver: dns.asyncresolver.Resolver) -> None:
        error = await _key_error(identity, resolver)
        identity.error, identity.checked_at = error, self.now()
        identity.status = self._next(identity.status, error, identity.since)

    async def _verify_mail_from(self, identity: Emulated, resolver: dns.asyncresolver.Resolver) -> None:
        if identity.mail_from:
            error = await _mx_error(identity.mail_from, self.region, resolver)
            identity.mail_from_status = self._next(identity.mail_from_status, error, identity.mail_from_since)

    def _next(self, status: str, error: str | None, since: float) -> str:
        if status == "FAILED":  # it does not look again until it is told to
            return status
        if error is None:
            return "SUCCESS"
        if error == "DNS_SERVER_ERROR" or status in ("SUCCESS", "TEMPORARY_FAILURE"):
            return "TEMPORARY_FAILURE"
        return "FAILED" if self.now() - since > GIVES_UP_AFTER else status


async def _key_error(identity: Emulated, resolver: dns.asyncresolver.Resolver) -> str | None:
    """Look for the key; SES's own keys lie behind CNAMEs, which no test publishes."""
    try:
        found = await resolver.resolve(f"{identity.tokens[0]}._domainkey.{identity.name}", "TXT")
    except dns.exception.DNSException as trouble:
        return _error(trouble)
    texts = [b"".join(rdata.strings).decode() for rdata in found if isinstance(rdata, TXT)]
    keys = [part.strip().removeprefix("p=") for text in texts for part in text.split(";") if part.strip()[:2] == "p="]
    return None if len(texts) == 1 and keys == [identity.public_key] else "INVALID_VALUE"


async def _mx_error(name: str, region: str, resolver: dns.asyncresolver.Resolver) -> str | None:
    """Want exactly one MX, that of the region."""
    try:
        found = await resolver.resolve(name, "MX")
    except dns.exception.DNSException as trouble:
        return _error(trouble)
    hosts = [rdata.exchange.to_text().lower() for rdata in found if isinstance(rdata, MX)]
    return None if hosts == [f"feedback-smtp.{region}.amazonses.com."] else "INVALID_VALUE"


def _error(trouble: dns.exception.DNSException) -> str:
    match trouble:
        case dns.resolver.NXDOMAIN():
            return "HOST_NOT_FOUND"
        case dns.resolver.NoAnswer():
            return "TYPE_NOT_FOUND"
        case _:
            return "DNS_SERVER_ERROR"


# --- operations ------------------------------------------------------------------------------------------------


def _create(state: SesState, asked: Mapping[str, Any]) -> Answer:
    name = asked["EmailIdentity"].lower()
    if name in state.identities:
        raise AwsError(400, "AlreadyExistsException", f"Email identity {name} already exist.")
    origin, tokens, public_key = _signing(asked.get("DkimSigningAttributes") or {}, None)
    if len(state.identities) >= state.most:
        raise AwsError(400, "LimitExceededException", "You have reached the maximum number of identities.")
    tags = {tag["Key"]: tag["Value"] for tag in asked.get("Tags") or []}
    identity = Emulated(name, tags, origin, tokens, public_key, state.now())
    state.identities[name] = identity
    return {"IdentityType": "DOMAIN", "VerifiedForSendingStatus": False, "DkimAttributes": _dkim(identity)}


def _signing(asked: Mapping[str, Any], origin: str | None) -> tuple[str, list[str], str]:
    """Read the key that an identity shall sign with: its origin, tokens and public half."""
    private = asked.get("DomainSigningPrivateKey")
    if private is None and origin != "EXTERNAL":
        return "AWS_SES", [secrets.token_hex(16) for _ in range(3)], ""
    try:
        key = load_der_private_key(base64.b64decode(private or "", validate=True), None)
    except ValueError:
        raise AwsError(400, "BadRequestException", "The private key provided is not valid.") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size not in (1024, 2048):
        raise AwsError(400, "BadRequestException", "The private key must use 1024 or 2048-bit RSA encryption.")
    if "DomainSigningSelector" not in asked:
        raise AwsError(400, "BadRequestException", "A selector goes with a private key.")
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return "EXTERNAL", [asked["DomainSigningSelector"]], base64.b64encode(spki).decode()


def _dkim(identity: Emulated) -> Answer:
    return {
        "SigningEnabled": identity.signing,
        "Status": identity.status,
        "Tokens": identity.tokens,
        "SigningAttributesOrigin": identity.origin,
    }


def _get(state: SesState, asked: Mapping[str, Any]) -> Answer:
    identity = state.held(asked)
    mail_from: Answer = {"BehaviorOnMxFailure": identity.on_mx_failure}  # and nothing else where none is set
    if identity.mail_from:
        mail_from |= {"MailFromDomain": identity.mail_from, "MailFromDomainStatus": identity.mail_from_status}
    info = {"LastCheckedTimestamp": identity.checked_at, "ErrorType": identity.error}
    return {
        "IdentityType": "DOMAIN",
        "FeedbackForwardingStatus": True,
        "VerifiedForSendingStatus": identity.status == "SUCCESS",
        "VerificationStatus": identity.status,
        "DkimAttributes": _dkim(identity),
        "MailFromAttributes": mail_from,
        "Policies": {},
        "Tags": [{"Key": key, "Value": value} for key, value in identity.tags.items()],
        "VerificationInfo": {key: value for key, value in info.items() if value is not None},
    }


def _put_key(state: SesState, asked: Mapping[str, Any]) -> Answer:
    identity = state.held(asked)
    signing = _signing(asked.get("SigningAttributes") or {}, asked["SigningAttributesOrigin"])
    identity.origin, identity.tokens, identity.public_key = signing
    identity.status, identity.since, identity.error = "PENDING", state.now(), None
    return {"DkimStatus": identity.status, "DkimTokens": identity.tokens}


def _put_signing(state: SesState, asked: Mapping[str, Any]) -> Answer:
    state.held(asked).signing = bool(asked.get("SigningEnabled", False))
    return {}


def _put_mail_from(state: SesState, asked: Mapping[str, Any]) -> Answer:
    identity = state.held(asked, 400)  # SES says 400 here where the others say 404
    name = asked.get("MailFromDomain")
    if name and not name.endswith(f".{identity.name}"):
        raise AwsError(
            400,
            "BadRequestException",
            f"Provided MAIL-FROM domain <{name}> is not subdomain of the domain of the identity <{identity.name}>.",
        )
    identity.mail_from, identity.mail_from_status, identity.mail_from_since = name or None, "PENDING", state.now()
    identity.on_mx_failure = asked.get("BehaviorOnMxFailure", "USE_DEFAULT_VALUE")
    return {}


def _create_tenant(state: SesState, asked: Mapping[str, Any]) -> Answer:
    name = asked["TenantName"]
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
        raise AwsError(400, "BadRequestException", "A tenant's name has at most 64 letters, digits, - and _.")
    if name in state.tenants:
        raise AwsError(400, "AlreadyExistsException", f"Tenant <{name}> already exists.")
    state.tenants[name] = set()
    return {"TenantName": name, "SendingStatus": "ENABLED"}


def _members(state: SesState, asked: Mapping[str, Any]) -> set[str]:
    if asked["TenantName"] not in state.tenants:
        raise AwsError(404, "NotFoundException", f"Tenant <{asked['TenantName']}> does not exist.")
    return state.tenants[asked["TenantName"]]


def _associate(state: SesState, asked: Mapping[str, Any]) -> Answer:
    members, arn = _members(state, asked), asked["ResourceArn"]
    if arn not in {state.arn(name) for name in state.identities}:
        raise AwsError(404, "NotFoundException", f"Resource <{arn}> does not exist.")
    if arn in members:
        raise AwsError(400, "AlreadyExistsException", "The association already exists.")
    members.add(arn)
    return {}


def _dissociate(state: SesState, asked: Mapping[str, Any]) -> Answer:
    members = _members(state, asked)
    if asked["ResourceArn"] not in members:
        raise AwsError(404, "NotFoundException", "The association does not exist.")
    members.remove(asked["ResourceArn"])
    return {}


def _tenant_resources(state: SesState, asked: Mapping[str, Any]) -> Answer:
    listed = sorted(_members(state, asked))[: asked.get("PageSize", 100)]
    return {"TenantResources": [{"ResourceType": "EMAIL_IDENTITY", "ResourceArn": arn} for arn in listed]}


def _delete_tenant(state: SesState, asked: Mapping[str, Any]) -> Answer:
    _members(state, asked)
    del state.tenants[asked["TenantName"]]
    return {}


def _delete(state: SesState, asked: Mapping[str, Any]) -> Answer:
    name = state.held(asked).name
    if any(state.arn(name) in members for members in state.tenants.values()):
        raise AwsError(400, "BadRequestException", "The identity belongs to a tenant.")  # the harder case, see above
    del state.identities[name]
    return {}


def _list(state: SesState, asked: Mapping[str, Any]) -> Answer:
    size = asked.get("PageSize", 100)
    if not 0 < size <= 1000:
        raise AwsError(400, "BadRequestException", "PageSize must be between 1 and 1000.")
    names = sorted(name for name in state.identities if name > str(asked.get("NextToken", "")))
    page = [state.identities[name] for name in names[:size]]
    listed = [
        {
            "IdentityType": "DOMAIN",
            "IdentityName": each.name,
            "SendingEnabled": each.status == "SUCCESS",
            "VerificationStatus": each.status,
        }
        for each in page
    ]
    return {"EmailIdentities": listed} | ({"NextToken": page[-1].name} if len(names) > size else {})


def _account(state: SesState, asked: Mapping[str, Any]) -> Answer:
    quota = {"Max24HourSend": 50_000.0 if state.production else 200.0, "MaxSendRate": 14.0, "SentLast24Hours": 7.0}
    return {
        "DedicatedIpAutoWarmupEnabled": False,
        "EnforcementStatus": "HEALTHY",
        "ProductionAccessEnabled": state.production,
        "SendQuota": quota,
        "SendingEnabled": True,
    }


def _tag(state: SesState, asked: Mapping[str, Any]) -> Answer:
    name = str(asked["ResourceArn"]).rpartition("/")[2]
    if asked["ResourceArn"] != state.arn(name) or name not in state.identities:
        raise AwsError(404, "NotFoundException", f"Resource <{asked['ResourceArn']}> does not exist.")
    state.identities[name].tags |= {tag["Key"]: tag["Value"] for tag in asked["Tags"]}
    return {}


_OPERATIONS: Mapping[str, Callable[[SesState, Mapping[str, Any]], Answer]] = {
    "CreateEmailIdentity": _create,
    "GetEmailIdentity": _get,
    "PutEmailIdentityDkimSigningAttributes": _put_key,
    "PutEmailIdentityDkimAttributes": _put_signing,
    "PutEmailIdentityMailFromAttributes": _put_mail_from,
    "DeleteEmailIdentity": _delete,
    "ListEmailIdentities": _list,
    "GetAccount": _account,
    "TagResource": _tag,
    "CreateTenant": _create_tenant,
    "CreateTenantResourceAssociation": _associate,
    "DeleteTenantResourceAssociation": _dissociate,
    "ListTenantResources": _tenant_resources,
    "DeleteTenant": _delete_tenant,
}
