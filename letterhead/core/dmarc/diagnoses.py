"""The diagnoses about DMARC records, as text; the rules that recognise them are in `topic` and `advice`.

None is blocking: receivers deliver mail without DMARC, and the status of a domain does not depend on it.
"""

from letterhead.core.findings.diagnosis import Diagnosis, Severity

MISSING = Diagnosis(
    code="dmarc.missing",
    severity=Severity.TIP,
    title="There is no DMARC record",
    meaning="DMARC tells receivers what to do with mail that fails the checks. Large mailbox providers want one, be it "
    "the mildest.",
    detail="There is no DMARC record at {host}{above}.",
    fix="Add a TXT record {where} with the name {name} and the value {expected}",
    reference="RFC 9989 4.5",
)
SEVERAL_RECORDS = Diagnosis(
    code="dmarc.several-records",
    severity=Severity.WARNING,
    title="There is more than one DMARC record",
    meaning="Receivers can't know which one you mean, so they use none of them. They go on to the names above it, and "
    "where no record there applies either, it is as if you had no DMARC at all.",
    detail="At {host} stand: {observed}.",
    fix="Of the TXT records at {name} {where} that begin with v=DMARC1, leave exactly one, with the value {expected}, "
    "and delete the others{caution}",
    reference="RFC 9989 4.10",
)
AT_WRONG_NAME = Diagnosis(
    code="dmarc.at-wrong-name",
    severity=Severity.WARNING,
    title="The DMARC record stands at a name where nobody looks",
    meaning="Receivers ask for the DMARC record at one name only: _dmarc before the domain in the From address.",
    detail="A DMARC record stands at {found}, and none at {host}.",
    fix="Change the name of the record {where} from {found} to {name}, and leave its value as it is",
    reference="RFC 9989 4.5",
)
AT_PARENT = Diagnosis(
    code="dmarc.at-parent",
    severity=Severity.WARNING,
    title="The DMARC record was published at another level",
    meaning="A part of the name was left out, so the record stands where nobody looks for it.",
    detail="A DMARC record stands at {found}, and none at {host}.",
    fix="Change the name of the record {where} from {found} to {name}",
    reference="RFC 9989 4.5",
)
INHERITED = Diagnosis(
    code="dmarc.inherited",
    severity=Severity.TIP,
    title="The DMARC policy of a parent domain applies",
    meaning="There is no DMARC record for this name, so receivers go up the tree and take the one they find there.",
    detail="Mail from {sender} is under the policy “{policy}” of the record at {found}: {observed}.",
    fix="Nothing to change if that suits you; for a policy of its own, add a TXT record with the name {name}, such as "
    "{expected} {where}",
    reference="RFC 9989 4.10.1",
)
SYNTAX = Diagnosis(
    code="dmarc.syntax",
    severity=Severity.WARNING,
    title="A part of the DMARC record can't be read",
    meaning="The record is a list of tags with a semicolon between them. What can't be read is ignored, so it does not "
    "do what you meant.",
    detail="In the record at {host}, at character {at}: {trouble}: {part}",
    fix="Correct “{part}” in the TXT record {name} {where}, so that it reads {expected}{caution}",
    reference="RFC 9989 4.8",
)
BAD_VERSION = Diagnosis(
    code="dmarc.bad-version",
    severity=Severity.WARNING,
    title="The DMARC record does not say that it is one",
    meaning="Receivers only use a record that begins with exactly v=DMARC1, in capitals. They ignore this one.",
    detail="The record at {host} begins with {part}, not with v=DMARC1.",
    fix="Let the TXT record {name} {where} begin with v=DMARC1; so that it reads {expected}{caution}",
    reference="RFC 9989 4.7",
)
POLICY_MISSING = Diagnosis(
    code="dmarc.policy-missing",
    severity=Severity.WARNING,
    title="The DMARC record has no policy",
    meaning="The tag p says what receivers shall do with mail that fails: none, quarantine or reject. Without it "
    "nothing is enforced, and without an address for reports the record is ignored.",
    detail="The record at {host} has no p; receivers {effect}: {observed}",
    fix="Add a policy to the TXT record {name} {where}, so that it reads {expected}",
    reference="RFC 9989 4.7",
)
POLICY_INVALID = Diagnosis(
    code="dmarc.policy-invalid",
    severity=Severity.WARNING,
    title="The DMARC record has a policy that does not exist",
    meaning="The policy is none, quarantine or reject. With any other word receivers enforce nothing, and without an "
    "address for reports they ignore the whole record.",
    detail="The record at {host} says {part}.",
    fix="Replace {part} in the TXT record {name} {where}, so that it reads {expected}{caution}",
    reference="RFC 9989 4.10.1",
)
POLICY_NONE = Diagnosis(
    code="dmarc.policy-none",
    severity=Severity.TIP,
    title="The DMARC policy asks receivers to do nothing",
    meaning="With p=none receivers only report. Somebody who forges your address is not stopped.",
    detail="The record at {host} says {part}.",
    fix="When the reports show that all your mail passes, change {part} to p=quarantine, later p=reject, in {name}",
    reference="RFC 9989 5.1.7",
)
SUBDOMAIN_POLICY_NONE = Diagnosis(
    code="dmarc.subdomain-policy-none",
    severity=Severity.TIP,
    title="The DMARC policy leaves the subdomains open",
    meaning="The domain itself is protected, but anybody can forge mail from a name below it.",
    detail="The record at {host} says {part}.",
    fix="Remove {part} from the TXT record {name}, so that the policy of the domain holds for the names below it too",
    reference="RFC 9989 4.7",
)
REMOVED_TAG = Diagnosis(
    code="dmarc.removed-tag",
    severity=Severity.TIP,
    title="The DMARC record has a tag that is no longer used",
    meaning="The tags pct, rf and ri were taken out of DMARC in 2026. Receivers ignore them, so they do not do what "
    "they say; a test run is now asked for with t=y.",
    detail="The record at {host} says {part}.",
    fix="Remove {part} from the TXT record {name}",
    reference="RFC 9989 A.6",
)
UNKNOWN_TAG = Diagnosis(
    code="dmarc.unknown-tag",
    severity=Severity.TIP,
    title="The DMARC record has a tag that DMARC does not know",
    meaning="Receivers ignore tags that they do not know. Often it is a known one, misspelt.",
    detail="The record at {host} says {part}.",
    fix="Correct or remove {part} in the TXT record {name}; known are p, sp, np, rua, ruf, adkim, aspf, fo, psd and t",
    reference="RFC 9989 4.7",
)
DUPLICATE_TAG = Diagnosis(
    code="dmarc.duplicate-tag",
    severity=Severity.WARNING,
    title="A tag stands twice in the DMARC record",
    meaning="With a tag that stands twice, the whole record is invalid: receivers ignore it or pick one.",
    detail="In the record at {host}, {tag} stands again at character {at}: {part}",
    fix="Leave one {tag} in the TXT record {name} {where}, so that it reads {expected}{caution}",
    reference="RFC 6376 3.2",
)
TAG_ORDER = Diagnosis(
    code="dmarc.tag-order",
    severity=Severity.WARNING,
    title="The tags of the DMARC record are in the wrong order",
    meaning="The record must begin with v=DMARC1, or all receivers ignore it; many older ones also want p right after.",
    detail="In the record at {host}: {trouble}. It says {observed}",
    fix="Put v=DMARC1; first and the policy p second in the TXT record {name} {where}, so that it reads "
    "{expected}{caution}",
    reference="RFC 9989 4.7",
)
NO_REPORTS = Diagnosis(
    code="dmarc.no-reports",
    severity=Severity.TIP,
    title="The DMARC record asks for no reports",
    meaning="Receivers send daily reports on who sends mail with your domain, if you name an address. Without them you "
    "can't see whether a stricter policy would stop your own mail.",
    detail="The record at {host} has no rua: {observed}",
    fix="Add rua=mailto: and an address of yours to the TXT record {name}",
    reference="RFC 9989 4.7",
)
REPORT_ADDRESS_BAD = Diagnosis(
    code="dmarc.report-address-bad",
    severity=Severity.WARNING,
    title="An address for DMARC reports can't be used",
    meaning="Reports go to web-like addresses: mailto: and a mail address, several with commas between. To anything "
    "else nothing is sent.",
    detail="In {tag} of the record at {host} stands: {part}",
    fix="Correct “{part}” in the TXT record {name} {where}, so that it reads {expected}. Reports come to an "
    "address such as {tag}=mailto:reports@{sender}",
    reference="RFC 9989 4.6",
)
REPORTS_NOT_MAILED = Diagnosis(
    code="dmarc.reports-not-mailed",
    severity=Severity.WARNING,
    title="No address for DMARC reports is a mail address",
    meaning="Receivers need to support reports by mail alone, and next to none sends them in another way. So no report "
    "comes.",
    detail="The record at {host} asks for reports at {part}, and at no address that begins with mailto:.",
    fix="Correct “{part}” in the TXT record {name} {where}, so that it reads {expected}. Any address of yours will do",
    reference="RFC 9989 4.7",
)
REPORT_UNAUTHORISED = Diagnosis(
    code="dmarc.report-unauthorised",
    severity=Severity.WARNING,
    title="The receiver of the DMARC reports has not agreed to get them",
    meaning="Reports to somebody else's domain are only sent where that domain says so in DNS. It does not, so you get "
    "no reports there.",
    detail="The record at {found} sends reports to {target}, and there is no DMARC record at {leave}.",
    fix="Ask the owner of {target} to add the TXT record {leave} with the value v=DMARC1, or use your own address",
    reference="RFC 9990 4",
)
STRICT_SPF = Diagnosis(
    code="dmarc.strict-spf",
    severity=Severity.WARNING,
    title="The DMARC record asks for SPF to match exactly, which it can't",
    meaning="With aspf=s the bounce address must be at exactly the domain in the From address. Ours is at a name below "
    "it, so SPF never counts for DMARC and DKIM alone must hold.",
    detail="The record at {found} says aspf=s, while the MAIL FROM domain is {mail_from}.",
    fix="Remove aspf=s from the TXT record at {found}: the relaxed mode is the default{tell}",
    reference="RFC 9989 4.4.2",
)
STRICT_DKIM = Diagnosis(
    code="dmarc.strict-dkim",
    severity=Severity.WARNING,
    title="The DMARC record asks for DKIM to match exactly, which it does not",
    meaning="With adkim=s the mail must be signed by exactly the domain in the From address. It is signed by another "
    "name, so DKIM does not count for DMARC.",
    detail="The record at {found} says adkim=s, while mail from {sender} is signed by {signer}.",
    fix="Remove adkim=s from the TXT record at {found}: the relaxed mode is the default{tell}",
    reference="RFC 9989 4.4.1",
)
REJECT_BEFORE_DKIM = Diagnosis(
    code="dmarc.reject-before-dkim",
    severity=Severity.WARNING,
    title="The DMARC policy rejects mail, and DKIM does not work yet",
    meaning="Receivers are asked to reject what fails the checks. As long as the DKIM record is not right, that may be "
    "all mail that you send here.",
    detail="The record at {found} asks to reject, and the DKIM record for {sender} is not in place: {observed}",
    fix="Publish the DKIM record before you send. The policy at {found} may stay: a weaker one would let others send "
    "in your name",
    reference="RFC 9989 5.1.6",
)
NOT_READ = Diagnosis(
    code="dmarc.not-read",
    severity=Severity.INCONCLUSIVE,
    title="The DMARC record is longer than this service reads",
    meaning="A record of more than 2,048 characters is not read here, so nothing is known of its policy. Receivers may "
    "read it, or may give up on an answer of that size.",
    detail="The record at {host} goes on after 2,048 characters: it was not read.",
    fix="Shorten the TXT record {name} {where}: leave the tags that you need, and few addresses for reports",
    reference="RFC 9989 4.8",
)
