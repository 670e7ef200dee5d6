"""The table of DNS hosts that zones are written at: a row a host."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from letterhead.ports.dns_host import CredentialField, DnsHostAccess

_PACKAGE: Final = "letterhead.adapters.dns_hosts"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRow:
    """One DNS host: what its credential is, and the provider of octoDNS that is made of it.

    `provider` is the path of its class, `arguments` the argument that each field of the credential becomes, `options`
    what is passed besides. `session` is the attribute that holds its `requests.Session`, where it has one. `server` is
    the field that names a server of the account's own. `escapes` is the base of the numbers in the escapes that octoDNS
    leaves in the TXT values of this host, 0 where it leaves none, and `exact` says that it writes every octet back as
    it was read.
    """

    access: DnsHostAccess
    provider: str
    arguments: Mapping[str, str]
    options: Mapping[str, object] = field(default_factory=dict)
    session: str | None = None
    server: str | None = None
    escapes: int = 0
    exact: bool = False


_TOKEN: Final = (CredentialField(name="token", title="API token"),)


def _plain(name: str, title: str, *, optional: bool = False) -> CredentialField:
    return CredentialField(name=name, title=title, is_secret=False, optional=optional)


HOSTS: Final = (
    HostRow(
        access=DnsHostAccess(
            id="azure-dns",
            name="Azure DNS",
            fields=(
                _plain("tenantId", "Directory (tenant) id"),
                _plain("clientId", "Application (client) id"),
                CredentialField(name="clientSecret", title="Client secret"),
                _plain("subscriptionId", "Subscription id"),
                _plain("resourceGroup", "Resource group"),
            ),
            scope="A service principal with the role DNS Zone Contributor on this one zone, and Reader on its resource "
            "group, in which octoDNS looks for the zone.",
            source="https://learn.microsoft.com/azure/dns/dns-protect-zones-recordsets",
        ),
        provider="octodns_azure.AzureProvider",
        arguments={
            "tenantId": "directory_id",
            "clientId": "client_id",
            "clientSecret": "key",
            "subscriptionId": "sub_id",
            "resourceGroup": "resource_group",
        },
        options={"client_total_retries": 1, "client_status_retries": 0},
    ),
    HostRow(
        access=DnsHostAccess(
            id="cloudflare",
            name="Cloudflare",
            fields=_TOKEN,
            scope="An API token with Zone → DNS → Edit and Zone → Zone → Read, for this one zone (Zone Resources: "
            "Include, Specific zone).",
            source="https://developers.cloudflare.com/fundamentals/api/reference/permissions/",
        ),
        provider=f"{_PACKAGE}.single_records.CloudflareZones",
        arguments={"token": "token"},
        options={"pagerules": False, "retry_count": 0, "retry_period": 0},
        session="_sess",
        escapes=10,
    ),
    HostRow(
        access=DnsHostAccess(
            id="desec",
            name="deSEC",
            fields=_TOKEN,
            scope="A token with a policy for this one domain that permits writing, and no right to manage tokens.",
            source="https://desec.readthedocs.io/en/latest/auth/tokens.html",
        ),
        provider="octodns_desec.DesecProvider",
        arguments={"token": "token"},
        options={"retries": 0, "timeout": 10},
        escapes=10,
    ),
    HostRow(
        access=DnsHostAccess(
            id="digitalocean",
            name="DigitalOcean",
            fields=_TOKEN,
            scope="A personal access token with the custom scopes domain:read, domain:create, domain:update and "
            "domain:delete. It is good for every domain of the team: DigitalOcean has no token for one.",
            source="https://docs.digitalocean.com/reference/api/scopes/",
        ),
        provider=f"{_PACKAGE}.single_records.DigitalOceanZones",
        arguments={"token": "token"},
        session="_client._sess",
    ),
    HostRow(
        access=DnsHostAccess(
            id="dnsimple",
            name="DNSimple",
            fields=(*_TOKEN, _plain("account", "Account number")),
            scope="An account access token, limited to this one zone where the plan of the account has scoped tokens; "
            "never a user token.",
            source="https://support.dnsimple.com/articles/api-access-token/",
        ),
        provider=f"{_PACKAGE}.single_records.DnsimpleZones",
        arguments={"token": "token", "account": "account"},
        session="_client._sess",
    ),
    HostRow(
        access=DnsHostAccess(
            id="gandi",
            name="Gandi",
            fields=_TOKEN,
            scope="A personal access token for this one domain with “See and renew domain names” and “Manage domain "
            "name technical configurations”.",
            source="https://docs.gandi.net/en/managing_an_organization/organizations/personal_access_token.html",
        ),
        provider=f"{_PACKAGE}.single_records.GandiZones",
        arguments={"token": "token"},
        session="_client._session",
        escapes=10,
    ),
    HostRow(
        access=DnsHostAccess(
            id="google-cloud-dns",
            name="Google Cloud DNS",
            fields=(CredentialField(name="serviceAccount", title="Key of a service account (JSON)"),),
            scope="A service account with the role DNS Administrator on this one managed zone, and DNS Reader on the "
            "project, in which octoDNS looks for the zone.",
            source="https://cloud.google.com/dns/docs/zones/iam-per-resource-zones",
        ),
        provider=f"{_PACKAGE}.google.GoogleZones",
        arguments={"serviceAccount": "service_account"},
        session="gcloud_client._http",
        escapes=10,
    ),
    HostRow(
        access=DnsHostAccess(
            id="hetzner",
            name="Hetzner",
            fields=_TOKEN,
            scope="An API token of a Hetzner Cloud project with Read & Write. It is good for the whole project: keep "
            "the zone in a project of its own.",
            source="https://docs.hetzner.cloud/reference/cloud#authentication",
        ),
        provider=f"{_PACKAGE}.single_records.HetznerZones",
        arguments={"token": "token"},
        options={"backend": "hcloud"},
        session="_client._hcloud._client._session",
        escapes=10,
    ),
    HostRow(
        access=DnsHostAccess(
            id="ovh",
            name="OVHcloud",
            fields=(
                _plain("endpoint", "API (ovh-eu, ovh-ca or ovh-us)"),
                _plain("applicationKey", "Application key"),
                CredentialField(name="applicationSecret", title="Application secret"),
                CredentialField(name="consumerKey", title="Consumer key"),
            ),
            scope="A consumer key with GET, POST, PUT and DELETE on /domain/zone/ZONE/*, where ZONE is this one zone.",
            source="https://help.ovhcloud.com/csm/en-api-getting-started-ovhcloud-api",
        ),
        provider=f"{_PACKAGE}.single_records.OvhZones",
        arguments={
            "endpoint": "endpoint",
            "applicationKey": "application_key",
            "applicationSecret": "application_secret",
            "consumerKey": "consumer_key",
        },
        session="_client._session",
    ),
    HostRow(
        access=DnsHostAccess(
            id="powerdns",
            name="PowerDNS",
            fields=(
                _plain("url", "URL of the API, as http://ns1.example.net:8081"),
                CredentialField(name="apiKey", title="API key"),
            ),
            scope="The server's API key, which may write every zone there: PowerDNS has no narrower one. For a key of "
            "one zone use RFC 2136, which PowerDNS speaks too.",
            source="https://doc.powerdns.com/authoritative/http-api/index.html",
        ),
        provider=f"{_PACKAGE}.powerdns.PowerDnsZones",
        arguments={"url": "url", "apiKey": "api_key"},
        session="_sess",
        server="url",
        escapes=10,
        exact=True,
    ),
    HostRow(
        access=DnsHostAccess(
            id="rfc2136",
            name="RFC 2136 (BIND, Knot DNS, PowerDNS and others)",
            fields=(
                _plain("server", "Primary server, as ns1.example.net:53"),
                _plain("keyName", "Name of the TSIG key"),
                _plain("algorithm", "Algorithm of the key (hmac-sha256)", optional=True),
                CredentialField(name="secret", title="Secret of the key (base64)"),
            ),
            scope="A TSIG key of its own that may transfer this one zone, and update TXT, CNAME and MX records in it. "
            "In BIND: allow-transfer and update-policy; in Knot DNS: an acl with the actions transfer and update.",
            source="https://bind9.readthedocs.io/en/stable/reference.html#dynamic-update-policies",
        ),
        provider=f"{_PACKAGE}.rfc2136.Rfc2136Zones",
        arguments={"server": "server", "keyName": "key_name", "algorithm": "key_algorithm", "secret": "key_secret"},
        server="server",
        exact=True,
    ),
    HostRow(
        access=DnsHostAccess(
            id="route53",
            name="Amazon Route 53",
            fields=(
                _plain("accessKeyId", "Access key id"),
                CredentialField(name="secretAccessKey", title="Secret access key"),
                CredentialField(name="sessionToken", title="Session token", optional=True),
            ),
            scope="An IAM user with route53:ListHostedZonesByName, and with route53:ListResourceRecordSets and "
            "route53:ChangeResourceRecordSets on this one hosted zone; a condition on "
            "route53:ChangeResourceRecordSetsRecordTypes can narrow it to TXT, CNAME and MX.",
            source="https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/specifying-conditions-route53.html",
        ),
        provider=f"{_PACKAGE}.route53.Route53Zones",
        arguments={
            "accessKeyId": "access_key_id",
            "secretAccessKey": "secret_access_key",
            "sessionToken": "session_token",
        },
        escapes=8,
    ),
)
