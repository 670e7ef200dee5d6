"""The diagnoses about the MAIL FROM domain's MX, as text; the rules that recognise them are in `topic`."""

from typing import Final

from letterhead.core.findings.diagnosis import Diagnosis, Severity

# What these are about is our own value, spoilt so that nobody can use it: to overwrite it mends it, if it stands alone.
SPOILT: Final = frozenset(
    f"mail-from.{each}" for each in ("mx-is-address", "mx-zone-appended", "mx-wrong-suffix", "mx-priority")
)
_REPLACE: Final = "Replace the mail server of the MX record {name} with {expected} {where}"

MX_MISSING = Diagnosis(
    code="mail-from.mx-missing",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain has no MX",
    meaning="Bounces go to the MAIL FROM domain. Without its MX record they are lost, and the provider does not use "
    "the domain as return-path.",
    detail="There is no MX record at {host}.",
    fix="Add an MX record {where} with the name {name} and the mail server {expected}",
    reference="RFC 5321 5.1",
)
MX_NULL = Diagnosis(
    code="mail-from.mx-null",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain says that it takes no mail",
    meaning="An MX whose mail server is a single dot (the null MX) says: never send mail here. So bounces are refused, "
    "and receivers may refuse your mail too, since nobody could answer it.",
    detail="The MX at {host} is {observed}.",
    fix="Delete the MX whose mail server is a dot, and add one with the name {name} and the mail server {expected} "
    "{where}",
    reference="RFC 7505 3",
)
MX_EXTRA = Diagnosis(
    code="mail-from.mx-extra",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain has more than one MX",
    meaning="The right MX is there, and another one beside it. Providers want exactly one: bounces that go to another "
    "host never reach them, and some refuse even the same host with two priorities.",
    detail="Beside {value}, the MX records at {host} name {others}.",
    fix="Delete the MX records of {name} {where} for {gone}; leave the one for {value} with the priority {kept} as "
    "the only one",
    reference="RFC 5321 5.1",
)
IN_USE = Diagnosis(
    code="mail-from.in-use",
    severity=Severity.BLOCKING,
    title="The MAIL FROM name already receives other mail",
    meaning="Another mail service has its MX at this name. A MAIL FROM domain needs a name of its own: changing this "
    "MX would stop the other service's mail.",
    detail="The MX records at {host} belong to another service: {observed}.",
    fix="Choose another MAIL FROM name for {sender} that nothing else uses. Only if the other service is no longer "
    "needed, replace all MX records of {name} with {expected} {where}",
    reference="RFC 5321 5.1",
)
MX_IS_ADDRESS = Diagnosis(
    code="mail-from.mx-is-address",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain's MX is an IP address",
    meaning="An MX must name a host. A number in its place is looked up as a name, which does not exist.",
    detail="The MX at {host} is {observed}.",
    fix=_REPLACE,
    reference="RFC 1035 3.3.9",
)
MX_ZONE_APPENDED = Diagnosis(
    code="mail-from.mx-zone-appended",
    severity=Severity.BLOCKING,
    title="Your domain was appended to the MX's mail server",
    meaning="The form took the mail server for a name inside your own domain and put the domain behind it. There is no "
    "such host.",
    detail="The MX at {host} names {found}, not {value}.",
    fix=f"{_REPLACE}. If the form appends {{zone}} again, end the mail server with a dot: {{value}}.",
    reference="RFC 1035 5.1",
)
MX_WRONG_REGION = Diagnosis(
    code="mail-from.mx-wrong-region",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain's MX is that of another region",
    meaning="The provider has a mail server of its own for each of its regions, and only that of your region knows "
    "your domain. Bounces that go to another one are lost.",
    detail="The MX at {host} names {found}, not {value}.",
    fix=_REPLACE,
    reference="RFC 5321 5.1",
)
MX_WRONG_SUFFIX = Diagnosis(
    code="mail-from.mx-wrong-suffix",
    severity=Severity.BLOCKING,
    title="The end of the MX's mail server is wrong",
    meaning="The name begins as it should and ends in another domain, such as amazonaws.com for amazonses.com. That is "
    "not the provider's mail server.",
    detail="The MX at {host} names {found}, not {value}.",
    fix=_REPLACE,
    reference="RFC 5321 5.1",
)
MX_WRONG_HOST = Diagnosis(
    code="mail-from.mx-wrong-host",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain's MX names another host",
    meaning="Bounces go to a server that does not belong to the mail provider.",
    detail="The MX at {host} is {observed}, not {value}.",
    fix="Replace the MX of {name} with the one host {expected} {where}",
    reference="RFC 5321 5.1",
)
MX_PRIORITY = Diagnosis(
    code="mail-from.mx-priority",
    severity=Severity.TIP,
    title="The MX has another priority than planned",
    meaning="The priority says which of several mail servers comes first. There is only one here, so mail flows all "
    "the same; some providers' own checks look at it, though.",
    detail="The MX at {host} has the priority {found}, not {priority}.",
    fix="Set the priority of the MX {name} to {priority} {where}; nothing depends on it today",
    reference="RFC 5321 5.1",
)
MX_IS_CNAME = Diagnosis(
    code="mail-from.mx-is-cname",
    severity=Severity.WARNING,
    title="The MX's mail server is an alias",
    meaning="An MX must name a host that has addresses of its own, not a CNAME. Many senders follow it, some don't.",
    detail="The MX at {host} names {value}, which is a CNAME to {found}.",
    fix="Whoever runs {value} should give it address records in place of the CNAME; tell your mail provider, or, where "
    "the name lies in your own zone, change it {where}",
    reference="RFC 2181 10.3",
)
MX_NO_ADDRESS = Diagnosis(
    code="mail-from.mx-no-address",
    severity=Severity.WARNING,
    title="The MX's mail server has no address",
    meaning="Bounces can't be delivered, since nobody can find the server that should take them.",
    detail="The MX at {host} names {value}, which has neither an IPv4 nor an IPv6 address.",
    fix="Whoever runs {value} should give it an address record; tell your mail provider, or, where the name lies in "
    "your own zone, add it {where}",
    reference="RFC 5321 5.1",
)
