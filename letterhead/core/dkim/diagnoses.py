"""The diagnoses about DKIM key records, as text; the rules that recognise them are in `topic` and `advice`."""

from letterhead.core.findings.diagnosis import Diagnosis, Severity

MISSING = Diagnosis(
    code="dkim.missing",
    severity=Severity.BLOCKING,
    title="The DKIM record is not in DNS",
    meaning="Receivers look up this TXT record to check the signature on each message. Your DNS servers say that "
    "it does not exist, so nothing that you send can be verified.",
    detail="There is no {rdtype} record at {host}.",
    fix="Add a {rdtype} record {where} with the name {name} and the value {expected}",
    reference="RFC 6376 3.6.2",
)
ED25519_MISSING = Diagnosis(
    code="dkim.ed25519-missing",
    severity=Severity.WARNING,
    title="The Ed25519 key is not in DNS",
    meaning="This second key is for receivers that know RFC 8463. Your mail is signed with the RSA key alone until its "
    "record is there, and nothing is lost meanwhile.",
    detail="There is no {rdtype} record at {host}.",
    fix="Add a {rdtype} record {where} with the name {name} and the value {expected}",
    reference="RFC 8463 4",
)
REMOVED = Diagnosis(
    code="dkim.removed",
    severity=Severity.BLOCKING,
    title="The DKIM record was removed from DNS",
    meaning="The record was there and your mail was verified by it. Now your DNS servers say that it does not "
    "exist; often a move to another DNS host, or a clean-up, left it behind.",
    detail="There is no {rdtype} record at {host} any more; we last saw it on {last}.",
    fix="Add the {rdtype} record {name} with the value {expected} again {where}",
    reference="RFC 6376 3.6.2",
)
SEVERAL_RECORDS = Diagnosis(
    code="dkim.several-records",
    severity=Severity.BLOCKING,
    title="There are several TXT records at the DKIM name",
    meaning="Exactly one record may stand at this name. With several, receivers may take any of them, or none, so "
    "signatures fail by chance.",
    detail="At {host} there are {count} TXT records ({how}): {observed}.",
    fix="Leave exactly one TXT record at {name} {where}, with the value {expected}, and delete the others{again}",
    reference="RFC 6376 3.6.2.2",
)
PREFIX_REPEATED = Diagnosis(
    code="dkim.prefix-repeated",
    severity=Severity.BLOCKING,
    title="The DKIM value begins twice",
    meaning="The form has put the beginning of the value (such as p=) there by itself, and it was pasted once "
    "more, so the key can't be read.",
    detail="The value at {host} repeats its beginning: {observed}.",
    fix="Replace the value of {name} {where} so that the whole record reads {expected}, each of v=, k= and p= once",
    reference="RFC 6376 3.6.1",
)
CHUNKS_MISORDERED = Diagnosis(
    code="dkim.chunks-misordered",
    severity=Severity.BLOCKING,
    title="The pieces of the DKIM key are in the wrong order",
    meaning="A long value is stored in strings of at most 255 characters, and receivers join them in the order in "
    "which they stand. Here the order is wrong, or a piece stands there twice.",
    detail="The strings at {host} are, in this order: {observed}.",
    fix="Delete the TXT record {name} {where} and add it again with the value {expected} in this order",
    reference="RFC 6376 3.6.2.2",
)
TRUNCATED = Diagnosis(
    code="dkim.truncated",
    severity=Severity.BLOCKING,
    title="The DKIM key is cut off",
    meaning="The record holds a key, but not all of it: the form, or the copying, has cut it. A cut key "
    "verifies nothing.",
    detail="The value at {host} is {whose}, but {cut}.",
    fix="Replace the value of {name} {where} with the whole {expected}. If the form takes no more than 255 "
    "characters, give the value as several strings of one record{pieces}",
    reference="RFC 1035 3.3",
)
CASE_CHANGED = Diagnosis(
    code="dkim.case-changed",
    severity=Severity.BLOCKING,
    title="The DKIM value has lost its capital or small letters",
    meaning="Capital and small letters mean different things in a key. The panel, or an edit, has changed them.",
    detail="The value at {host} is your key, with the case of its letters changed: {observed}.",
    fix="Replace the value of {name} {where} with {expected}, letter by letter; if the form changes it again,"
    " ask your DNS host for a TXT form that keeps capitals",
    reference="RFC 6376 3.2",
)
WRONG_TARGET = Diagnosis(
    code="dkim.wrong-target",
    severity=Severity.BLOCKING,
    title="The DKIM CNAME leads elsewhere",
    meaning="The key is fetched from the place that this alias names, and it names another one, so signatures "
    "can't be checked.",
    detail="{host} is a CNAME to {observed}, not to {value}.",
    fix="Change the target of the CNAME {name} to {expected} {where}. If the form appends the domain to the "
    "target, end it with a dot",
    reference="RFC 1034 3.6.2",
)
NOT_ALIAS = Diagnosis(
    code="dkim.not-alias",
    severity=Severity.BLOCKING,
    title="A key stands where the DKIM CNAME should be",
    meaning="With the CNAME your keys are changed without you. A TXT record in its place is a copy of one key, which "
    "will be wrong after the next change; some DNS hosts make such copies by “flattening” a CNAME.",
    detail="{host} holds a TXT record with a key, where a CNAME to {value} should be.",
    fix="Delete the TXT record {name} {where} and add a CNAME {name} with the target {expected}. Where the "
    "CNAME is there and is flattened, switch that off for it",
    reference="RFC 1034 3.6.2",
)
NOT_SERVED = Diagnosis(
    code="dkim.not-served",
    severity=Severity.BLOCKING,
    title="This service does not serve the key yet",
    meaning="Your CNAME is right. The key that it leads to lies in a zone of this service, whose servers do not have "
    "it yet, or have lost it.",
    detail="{target} holds {held}, and the key of {sender} should be there.",
    fix="Nothing to change in your DNS: this service publishes the key by itself and tries again until it has. If it "
    "says the same after an hour, tell the operator, whom `letterhead doctor` tells why",
    reference="RFC 6376 3.6.2",
)
NOT_DKIM = Diagnosis(
    code="dkim.not-dkim",
    severity=Severity.BLOCKING,
    title="What stands at the DKIM name is no DKIM record",
    meaning="There is a TXT record at the name where receivers look for your key, but it was made for something else.",
    detail="The TXT at {host} is {observed}.",
    fix="Replace it: the only TXT record at {name} must be {expected} {where}",
    reference="RFC 6376 3.6.1",
)
NO_KEY = Diagnosis(
    code="dkim.no-key",
    severity=Severity.BLOCKING,
    title="The DKIM record holds no key",
    meaning="The part that begins with p= holds the key. Without it, or without a ; before it, receivers find none.",
    detail="The value at {host} has no part of its own that begins with p=: {observed}.",
    fix="Replace the value of {name} {where} with {expected}, with a ; between its parts",
    reference="RFC 6376 3.6.1",
)
SYNTAX = Diagnosis(
    code="dkim.syntax",
    severity=Severity.BLOCKING,
    title="The DKIM record can't be read",
    meaning="The record is a list of parts such as k=rsa with a ; between them. One part is not of this form, so "
    "receivers throw the whole record away.",
    detail="In the value at {host}, {trouble}.",
    fix="Replace the value of {name} {where} with {expected}",
    reference="RFC 6376 3.2",
)
DUPLICATE_TAG = Diagnosis(
    code="dkim.duplicate-tag",
    severity=Severity.BLOCKING,
    title="A part of the DKIM record is there twice",
    meaning="Each part may be there once. Where one is repeated, receivers throw the whole record away.",
    detail="In the value at {host}, {tag}= is given more than once.",
    fix="Replace the value of {name} {where} with {expected}",
    reference="RFC 6376 3.2",
)
VERSION_NOT_FIRST = Diagnosis(
    code="dkim.version-not-first",
    severity=Severity.BLOCKING,
    title="The DKIM record does not begin with its version",
    meaning="Where v=DKIM1 is given it must be the very first part; otherwise receivers don't take the text for a "
    "DKIM record.",
    detail="In the value at {host}, v={said} is not the first part.",
    fix="Replace the value of {name} {where} with {expected}",
    reference="RFC 6376 3.6.1",
)
BAD_VERSION = Diagnosis(
    code="dkim.bad-version",
    severity=Severity.BLOCKING,
    title="The DKIM record has an unknown version",
    meaning="The version must read v=DKIM1, in capitals and with a ; behind it. Receivers ignore any other.",
    detail="The version at {host} reads “{said}”.",
    fix="Replace the value of {name} {where} with {expected}",
    reference="RFC 6376 3.6.1",
)
REVOKED = Diagnosis(
    code="dkim.revoked",
    severity=Severity.BLOCKING,
    title="The DKIM key is revoked",
    meaning="An empty p= tells receivers that this key must not be used any more, so every signature fails.",
    detail="The value at {host} is {observed}: p= is empty.",
    fix="Replace the value of {name} {where} with {expected}",
    reference="RFC 6376 3.6.1",
)
UNKNOWN_ALGORITHM = Diagnosis(
    code="dkim.unknown-algorithm",
    severity=Severity.BLOCKING,
    title="The DKIM record names an algorithm that does not exist",
    meaning="k= says what kind of key it is. Receivers ignore keys of a kind that they don't know; your mail is "
    "signed with rsa.",
    detail="The value at {host} says k={said}.",
    fix="Replace the value of {name} {where} with {expected}",
    reference="RFC 6376 3.6.1",
)
ALGORITHM_MISMATCH = Diagnosis(
    code="dkim.algorithm-mismatch",
    severity=Severity.BLOCKING,
    title="The DKIM record says one kind of key and holds another",
    meaning="k= says what kind of key p= holds. Here they don't fit together, so receivers can't use the key.",
    detail="The value at {host} says k={said}, but its key is of the kind {held}.",
    fix="Replace the value of {name} {where} with {expected}",
    reference="RFC 8463 4",
)
BAD_BASE64 = Diagnosis(
    code="dkim.bad-base64",
    severity=Severity.BLOCKING,
    title="The DKIM key holds characters that no key has",
    meaning="A key is written with letters, digits, + and / alone. Something was lost or added on the way, so it "
    "can't be decoded.",
    detail="The key at {host} can't be decoded: {reason}.",
    fix="Replace the value of {name} {where} with {expected}",
    reference="RFC 6376 3.6.1",
)
BAD_KEY = Diagnosis(
    code="dkim.bad-key",
    severity=Severity.BLOCKING,
    title="The DKIM record holds something that is no public key",
    meaning="p= can be decoded, but what it holds is no key in the form that receivers read (SubjectPublicKeyInfo).",
    detail="The value of p= at {host} is no public key: {reason}.",
    fix="Replace the value of {name} {where} with {expected}",
    reference="RFC 6376 3.6.1",
)
HASH_EXCLUDED = Diagnosis(
    code="dkim.hash-excluded",
    severity=Severity.BLOCKING,
    title="The DKIM record forbids the hash that your mail is signed with",
    meaning="h= lists the hashes that may be used with this key. Mail is signed with sha256, which is not among them.",
    detail="The value at {host} says h={said}.",
    fix="Remove h={said} from the value of {name} {where}, so that it is {expected}",
    reference="RFC 6376 3.6.1",
)
SERVICE_EXCLUDED = Diagnosis(
    code="dkim.service-excluded",
    severity=Severity.BLOCKING,
    title="The DKIM record is not for e-mail",
    meaning="s= lists the services that the key may be used for, and e-mail is not among them.",
    detail="The value at {host} says s={said}.",
    fix="Remove s={said} from the value of {name} {where}, so that it is {expected}",
    reference="RFC 6376 3.6.1",
)
FAR_TOO_WEAK_KEY = Diagnosis(
    code="dkim.weak-key",
    severity=Severity.BLOCKING,
    title="The DKIM key is too short to be accepted",
    meaning="Receivers must not accept signatures by RSA keys of less than 1024 bits, since such keys can be broken.",
    detail="The key at {host} has {bits} bits.",
    fix="Make a new key of 2048 bits for {sender}, and publish its record in place of {name} {where}",
    reference="RFC 8301 3.2",
)
WRONG_KEY = Diagnosis(
    code="dkim.wrong-key",
    severity=Severity.BLOCKING,
    title="The DKIM record holds another key",
    meaning="A record is there, but it does not hold the key that your mail is signed with, so every signature "
    "fails. Often it is the key of another account, or of an earlier set-up.",
    detail="The TXT record at {host} holds {held}, not the key for this domain.",
    fix="Replace the value of the TXT record {name} {where} with {expected}. If another service of yours "
    "signs with the key that stands there, publish this one under another selector instead, since "
    "replacing it stops that service",
    reference="RFC 6376 3.6.1",
)
SELECTOR_IN_USE = Diagnosis(
    code="dkim.selector-in-use",
    severity=Severity.BLOCKING,
    title="Another service has its key at the name of the DKIM record",
    meaning="A CNAME at this name leads to a key that another service signs with. A name holds one key, so the two "
    "services need two selectors.",
    detail="{host} is a CNAME to {found}, where a working key stands that is not the planned one.",
    fix="Keep the CNAME {name}, since deleting it stops the signatures of the service that has its key at {found}, and "
    "publish this key under another selector. If that service no longer sends for {sender}, delete the CNAME {name}, "
    "then add the {rdtype} record {name} with the value {expected} {where}",
    reference="RFC 6376 3.1",
)
RETIRED = Diagnosis(
    code="dkim.retired",
    severity=Severity.TIP,
    title="The key of this DKIM selector is retired",
    meaning="An empty p= tells receivers that the key of this selector must not be used any more. That is how an old "
    "key is retired, and every signature made with it fails.",
    detail="The value at {host} is {observed}: p= is empty.",
    fix="Nothing to change if nobody signs with this selector. If somebody does, have them sign with a selector whose "
    "key is published",
    reference="RFC 6376 3.6.1",
)
OTHER_SERVICE = Diagnosis(
    code="dkim.other-service",
    severity=Severity.TIP,
    title="The key of this DKIM selector is not for e-mail",
    meaning="s= says what a key is for. This one is for another service, such as TLS reports, and no mail can be "
    "signed with it.",
    detail="The value at {host} says s={said}.",
    fix="Nothing to change if no mail is signed with this selector. If it is, have it signed with a selector whose key "
    "is for e-mail",
    reference="RFC 8460 3",
)
NO_USABLE_KEY = Diagnosis(
    code="dkim.no-usable-key",
    severity=Severity.BLOCKING,
    title="No DKIM selector has a key that mail can be signed with",
    meaning="Each record that was looked at is right in itself, and none holds a key for mail: the keys are retired, "
    "or for another service. Mail signed with one of these selectors fails.",
    detail="There is no key for mail at {asked}.",
    fix="Look up the selector that your mail is signed with (s= in the DKIM-Signature of a message), and publish the "
    "key of your mail provider under it {where}. If {sender} sends no signed mail, nothing needs to change",
    reference="RFC 6376 3.6.1",
)
TOO_LONG = Diagnosis(
    code="dkim.too-long",
    severity=Severity.BLOCKING,
    title="The text at the DKIM name is too long to be a key record",
    meaning="No real key record is near 4 KB. A text that is longer is not parsed here, and receivers may not read it "
    "either.",
    detail="The text at {host} has {size} characters; it begins with {observed}.",
    fix="Replace the value of {name} {where} with {expected}",
    reference="RFC 6376 3.6.2.2",
)
BARE_RSA_KEY = Diagnosis(
    code="dkim.bare-rsa-key",
    severity=Severity.BLOCKING,
    title="The DKIM key is in a form that most receivers don't read",
    meaning="p= holds an RSA key in its bare form (RSAPublicKey of PKCS #1). RFC 6376 names this form, but signers "
    "publish, and most receivers read, the form that also says what kind of key it is (SubjectPublicKeyInfo).",
    detail="The value of p= at {host} is a bare RSA key of {bits} bits.",
    fix="Replace the value of {name} {where} with {expected}. The command openssl rsa -RSAPublicKey_in "
    "-pubout turns the bare form into the other one",
    reference="RFC 6376 3.6.1",
)
KEY_OF_ANOTHER_NAME = Diagnosis(
    code="dkim.key-of-another-name",
    severity=Severity.BLOCKING,
    title="The DKIM record holds the key of another selector",
    meaning="Each selector has a key of its own. During a change of keys the new record is added under its own name, "
    "and the old one stays as it is until nothing is signed with it any more.",
    detail="The TXT record at {host} holds the key that belongs at {other}.",
    fix="Put the value {expected} back at {name} {where}{then}",
    reference="RFC 6376 3.6.1",
)
TESTING = Diagnosis(
    code="dkim.testing",
    severity=Severity.WARNING,
    title="The DKIM record says that you are only testing",
    meaning="t=y asks receivers to treat mail from you as if it were not signed. Many heed it, so the signature "
    "does not help you.",
    detail="The value at {host} says t={said}.",
    fix="Remove t={said} from the value of {name} {where}, so that it is {expected}",
    reference="RFC 6376 3.6.1",
)
SELECTOR_UNDERSCORE = Diagnosis(
    code="dkim.selector-underscore",
    severity=Severity.WARNING,
    title="The selector has an underscore",
    meaning="A selector is made of letters, digits and hyphens. DNS takes an underscore in it, as most receivers do; "
    "one that follows the standard to the letter finds no valid selector, and so no signature.",
    detail="The key at {host} is read; the selector {selector} is not of the standard's form.",
    fix="Nothing to change in DNS. Whoever chooses the selector of the signing program: take one without an underscore "
    "for the next key",
    reference="RFC 6376 3.1",
)
STRICT_IDENTITY = Diagnosis(
    code="dkim.strict-identity",
    severity=Severity.TIP,
    title="The DKIM record forbids signing for subdomains",
    meaning="t=s makes a signature count only where the signer's identity (i=) is exactly this domain, none below it. "
    "RFC 6376 recommends it to every domain whose signer names no identity below the domain.",
    detail="The value at {host} says t={said}.",
    fix="Nothing to change. Only where a signer names an identity below the domain (i=), take the s out of t={said} in "
    "the value of {name} {where}",
    reference="RFC 6376 3.6.1",
)
WEAK_KEY = Diagnosis(
    code="dkim.weak-key",
    severity=Severity.WARNING,
    title="The DKIM key is short",
    meaning="RSA keys of less than 2048 bits are out of date: some receivers trust them less, and stronger "
    "computers break them.",
    detail="The key at {host} has {bits} bits.",
    fix="Have whoever signs the mail of {sender} make a key of 2048 bits under a new selector, publish its record, "
    "then stop using {name}",
    reference="RFC 8301 3.2",
)
OLD_SELECTOR_LIVE = Diagnosis(
    code="dkim.old-selector-live",
    severity=Severity.TIP,
    title="The key of an earlier selector is still published",
    meaning="After a change of keys the old one is not needed for new mail. As long as it is published, whoever "
    "holds it can sign as you.",
    detail="{old} still holds a key.",
    fix="Once no mail signed with it is under way (a week is plenty), delete the TXT record {old} {where}",
    reference="RFC 6376 3.1",
)
