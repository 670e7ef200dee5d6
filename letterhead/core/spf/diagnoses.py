"""The diagnoses about SPF records, as text; the rules that recognise them are in `topic` and `advice`.

Places besides those of `finding`: {part} the offending text and {why} what is wrong with it, {mend} the whole value to
publish, where it is known, {chain} the domains that led to the fault, {whose} a sentence on whose record it is,
{change} what to write instead.
"""

from letterhead.core.findings.diagnosis import Diagnosis, Severity

MISSING = Diagnosis(
    code="mail-from.spf-missing",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain has no SPF record",
    meaning="Receivers check that the sending server may use the MAIL FROM domain. Without an SPF record they can't.",
    detail="There is no SPF record at {host}.",
    fix="Add a TXT record {where} with the name {name} and the value {expected}",
    reference="RFC 7208 4.5",
)
INCLUDE_MISSING = Diagnosis(
    code="mail-from.spf-include-missing",
    severity=Severity.BLOCKING,
    title="The MAIL FROM domain's SPF record does not name the provider",
    meaning="An SPF record is there, but it does not authorise the servers that send your mail.",
    detail="The SPF record at {host} is {observed}; {part} is not among the parts that let mail pass.",
    fix="Replace the SPF record of {name} {where} with {expected}",
    reference="RFC 7208 5.2",
)
INCLUDE_UNANSWERED = Diagnosis(
    code="mail-from.spf-include-unanswered",
    severity=Severity.INCONCLUSIVE,
    title="Nobody could say whether the MAIL FROM domain's SPF record names the provider",
    meaning="The SPF record itself does not name the provider. A record that it includes may do so, and could not be "
    "read, so we know neither that the provider is named nor that it is missing.",
    detail="The SPF record at {host} is {observed}; no answer came for {part}.",
    fix="Nothing to change yet: we ask again soon. If it stays, tell whoever runs {part}, or take its part out of the "
    "SPF record of {name}",
    reference="RFC 7208 5.2",
)
SEVERAL_RECORDS = Diagnosis(
    code="spf.several-records",
    severity=Severity.BLOCKING,
    title="There is more than one SPF record",
    meaning="A name may have one SPF record. With two, receivers don't choose: they treat all of your SPF as broken.",
    detail="At {host} there are {count} TXT records that begin with “v=spf1”: {observed}.",
    fix="Leave exactly one SPF record at {name} {where}, with the value {expected}, and delete the others",
    reference="RFC 7208 4.5",
)
SYNTAX = Diagnosis(
    code="spf.syntax",
    severity=Severity.BLOCKING,
    title="The SPF record has a mistake in its spelling",
    meaning="An SPF record is read word by word. At one that can't be read, receivers give up on the whole record.",
    detail="In the SPF record of {host}, “{part}” {why}. The record: {observed}.",
    fix="Correct “{part}” in the SPF record of {name} {where}{mend}",
    reference="RFC 7208 4.6 and 12",
)
UNKNOWN_MECHANISM = Diagnosis(
    code="spf.unknown-mechanism",
    severity=Severity.BLOCKING,
    title="The SPF record holds a word that SPF does not know",
    meaning="SPF knows all, include, a, mx, ip4, ip6, exists and ptr. At any other word receivers give up on "
    "the record.",
    detail="In the SPF record of {host}, “{part}” {why}. The record: {observed}.",
    fix="Correct “{part}” in the SPF record of {name} {where}, or take it out{mend}",
    reference="RFC 7208 4.6 and 12",
)
BAD_ADDRESS = Diagnosis(
    code="spf.bad-address",
    severity=Severity.BLOCKING,
    title="The SPF record holds an address that is none",
    meaning="Addresses stand after ip4: or ip6:, whole and without letters. At a wrong one receivers give up on the "
    "whole record.",
    detail="In the SPF record of {host}, “{part}” {why}. The record: {observed}.",
    fix="Correct “{part}” in the SPF record of {name} {where}{mend}",
    reference="RFC 7208 5.6",
)
BAD_VERSION = Diagnosis(
    code="spf.bad-version",
    severity=Severity.BLOCKING,
    title="The SPF record does not begin with “v=spf1”",
    meaning="Receivers find the SPF record by its first word, exactly “v=spf1” and a space. A text that begins in "
    "another way is no SPF record for them.",
    detail="The text at {host} looks like an SPF record and is none: {observed}.",
    fix="Let the SPF record of {name} {where} begin with “v=spf1” and one space{mend}",
    reference="RFC 7208 4.5",
)
SENDER_ID = Diagnosis(
    code="spf.sender-id",
    severity=Severity.TIP,
    title="There is a record for Sender ID",
    meaning="“spf2.0” belongs to Sender ID, a relative of SPF that nobody uses any more. Receivers of today skip it.",
    detail="At {host} stands {observed}, which is not read as SPF.",
    fix="Delete the TXT record that begins with “spf2.0” at {name} {where}{instead}",
    reference="RFC 6686 6",
)
TOO_MANY_LOOKUPS = Diagnosis(
    code="spf.too-many-lookups",
    severity=Severity.BLOCKING,
    title="The SPF record needs too many DNS lookups",
    meaning="Receivers look up at most 10 names for one SPF record, those inside its includes too. Past that they give "
    "up, and mail fails SPF.",
    detail="The SPF record of {host} needs {count} lookups of at most 10. {part} alone takes {dearest}.{whose}",
    fix="Take what you no longer send with out of the SPF record of {name} {where}{first}",
    reference="RFC 7208 4.6.4",
)
VOID_LOOKUPS = Diagnosis(
    code="spf.void-lookups",
    severity=Severity.BLOCKING,
    title="The SPF record names too many hosts that do not exist",
    meaning="Receivers stop after 2 lookups that find nothing, and mail fails SPF.",
    detail="{count} parts of the SPF record of {host} find nothing, of at most 2: {part}.",
    fix="Take the parts that find nothing out of the SPF record of {name} {where}: {part}{mend}",
    reference="RFC 7208 4.6.4",
)
INCLUDE_LOOP = Diagnosis(
    code="spf.include-loop",
    severity=Severity.BLOCKING,
    title="The SPF record includes itself",
    meaning="An include leads back to a record that is just being read, so it never ends. Receivers give up.",
    detail="The includes of {host} go round in a circle: {chain}.{whose}",
    fix="Take {part} out of the SPF record of {name} {where}{mend}",
    reference="RFC 7208 4.6.4 and 5.2",
)
REDIRECT_LOOP = Diagnosis(
    code="spf.redirect-loop",
    severity=Severity.BLOCKING,
    title="The SPF record redirects to itself",
    meaning="A redirect leads back to a record that is just being read, so it never ends. Receivers give up.",
    detail="The redirects of {host} go round in a circle: {chain}.{whose}",
    fix="Take {part} out of the SPF record of {name} {where}, or let it name the domain that is meant{mend}",
    reference="RFC 7208 4.6.4 and 6.1",
)
TARGET_MISSING = Diagnosis(
    code="spf.include-missing",
    severity=Severity.BLOCKING,
    title="The SPF record includes a domain that has no SPF record",
    meaning="An include must lead to an SPF record. Where there is none, receivers treat all of your SPF as broken.",
    detail="{target} has no SPF record, and the SPF record of {host} needs one there: {chain}.{whose}",
    fix="Take {part} out of the SPF record of {name} {where}, or correct its spelling{mend}",
    reference="RFC 7208 5.2 and 6.1",
)
BROKEN = Diagnosis(
    code="spf.include-broken",
    severity=Severity.BLOCKING,
    title="The SPF record leads to one that is broken",
    meaning="A record that yours includes has a fault of its own. Receivers then treat yours as broken too.",
    detail="At {target} {why}; the way to it is {chain}.{whose}",
    fix="Tell whoever runs {target}; until it is fixed, take {part} out of the SPF record of {name} {where}{mend}",
    reference="RFC 7208 5.2",
)
PROVIDER_BROKEN = Diagnosis(
    code="spf.provider-broken",
    severity=Severity.BLOCKING,
    title="The mail provider's own SPF record is broken",
    meaning="Your SPF record names the mail provider's, as it should, and that one has a fault. Receivers then treat "
    "yours as broken too. Taking it out of yours would stop your mail from passing, so leave it where it is.",
    detail="{part} in the SPF record of {host} leads to a fault: {why} ({chain}).",
    fix="Nothing to change in your DNS: tell the support of your mail provider that its SPF record at {target} is "
    "broken",
    reference="RFC 7208 5.2",
)
DUPLICATE_INCLUDE = Diagnosis(
    code="spf.duplicate-include",
    severity=Severity.WARNING,
    title="The SPF record names the same include twice",
    meaning="The second one changes nothing and costs lookups, of which there are only 10.",
    detail="The SPF record of {host} reaches {part} more than once.",
    fix="Take {part} out where the SPF record of {name} {where} names it once too often{mend}",
    reference="RFC 7208 4.6.4",
)
PTR = Diagnosis(
    code="spf.ptr",
    severity=Severity.WARNING,
    title="The SPF record uses ptr",
    meaning="ptr asks for the name of the sending address. It is slow and unsure, and many receivers skip it.",
    detail="The SPF record of {host} holds “{part}”.",
    fix="Take “{part}” out of the SPF record of {name} {where} and name the servers by ip4:, a: or include:",
    reference="RFC 7208 5.5",
)
PLUS_ALL = Diagnosis(
    code="spf.plus-all",
    severity=Severity.WARNING,
    title="The SPF record lets everybody send",
    meaning="It says that each server in the world may send for this domain, as a forger would wish.",
    detail="The SPF record of {host} leads to “{part}”, which {why}.",
    fix="Name each server that sends in the SPF record of {name} {where}, then {change}",
    reference="RFC 7208 5.1",
)
NO_ALL = Diagnosis(
    code="spf.no-all",
    severity=Severity.WARNING,
    title="The SPF record has no ending",
    meaning="Without “all” at its end, the record says nothing of servers that it does not name: forgers are not told "
    "from friends.",
    detail="The SPF record of {host} ends without “all”: {observed}.",
    fix="Add “~all” at the end of the SPF record of {name} {where}",
    reference="RFC 7208 4.7",
)
TEXT_AFTER_ALL = Diagnosis(
    code="spf.text-after-all",
    severity=Severity.WARNING,
    title="The SPF record goes on after “all”",
    meaning="“all” matches every server, so receivers stop reading there. What follows has no effect.",
    detail="In the SPF record of {host}, “{part}” stands after “{all}” and is never read.",
    fix="Put “{part}” before “{all}” in the SPF record of {name} {where}, or take it out{mend}",
    reference="RFC 7208 5.1",
)
REDIRECT_IGNORED = Diagnosis(
    code="spf.redirect-ignored",
    severity=Severity.WARNING,
    title="The SPF record's redirect has no effect",
    meaning="A redirect counts only in a record without “all”.",
    detail="In the SPF record of {host}, “{part}” is skipped because of “{all}”.",
    fix="Take either “{part}” or “{all}” out of the SPF record of {name} {where}; to keep both senders, write include:",
    reference="RFC 7208 6.1",
)
TOO_LONG = Diagnosis(
    code="spf.too-long",
    severity=Severity.WARNING,
    title="The SPF record is too long for one packet",
    meaning="Past about 450 characters the answer may not fit into one packet, and some receivers then see no SPF.",
    detail="The SPF record of {host} has {count} characters.",
    fix="Shorten the SPF record of {name} {where} to 450 characters: join addresses to networks, or move some"
    " of them into a TXT record of its own that is included",
    reference="RFC 7208 3.4",
)
NOT_READ = Diagnosis(
    code="spf.not-read",
    severity=Severity.INCONCLUSIVE,
    title="The SPF record is longer than this service reads",
    meaning="A record of more than 2,048 characters is not read here, so nothing is known of what it allows. Receivers "
    "may read it, or may give up on an answer of that size.",
    detail="The text at {host} goes on after 2,048 characters: it was not read.",
    fix="Shorten the SPF record of {name} {where} to 450 characters: join addresses to networks, or move some"
    " of them into a TXT record of its own that is included",
    reference="RFC 7208 3.4",
)
TYPE_99 = Diagnosis(
    code="spf.type-99",
    severity=Severity.TIP,
    title="There is a record of the old type SPF",
    meaning="SPF records once had a type of their own. It was given up: receivers read TXT alone.",
    detail="{host} has a record of type SPF: {observed}.",
    fix="Delete the record of type SPF at {name} {where}; the TXT record is the one that counts",
    reference="RFC 7208 3.1",
)
PRIVATE_ADDRESS = Diagnosis(
    code="spf.private-address",
    severity=Severity.WARNING,
    title="The SPF record names a private address",
    meaning="Addresses such as 10.0.0.1 or 192.168.1.1 exist only inside a network. No receiver ever sees mail come "
    "from them.",
    detail="The SPF record of {host} holds “{part}”.",
    fix="Replace “{part}” in the SPF record of {name} {where} with the public address that the mail leaves "
    "from, or take it out",
    reference="RFC 1918 3",
)
NOT_NEEDED_AT_APEX = Diagnosis(
    code="spf.not-needed-at-apex",
    severity=Severity.TIP,
    title="The provider stands in the domain's own SPF record, where it is not needed",
    meaning="Mail through this provider uses the MAIL FROM subdomain, which has its own SPF record. At the domain "
    "itself the include only costs lookups.",
    detail="The SPF record of {host} holds {part}.",
    fix="You may take {part} out of the SPF record of {name} {where}, unless something else sends with it",
    reference="RFC 7208 2.4",
)
