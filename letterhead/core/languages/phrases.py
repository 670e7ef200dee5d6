"""The templates of what other modules put together for a place of a finding, a longer one before its beginning.

They are here as these modules write them; each has its translations. `PLACES` are the places where they may stand: at
any other stands what was found in DNS, or a name, which no language changes.
"""

from typing import Final

CONTEXT: Final = "phrase"  # of these messages in the catalogues: a word may mean something else elsewhere
PLACES: Final = frozenset(
    (
        *(
            "again",
            "caution",
            "change",
            "clock",
            "cut",
            "dearest",
            "effect",
            "expected",
            "first",
            "here",
            "held",
            "how",
            "instead",
        ),
        *("looked", "mend", "name", "path", "pieces", "reason", "said", "since", "tell", "then", "trouble", "when"),
        *("where", "whose", "why", "word"),
    )
)
_WHERE: Final = (
    "{here} (the CNAME {host} leads there)",
    "in its own zone ({host} is a CNAME to it, so tell whoever runs that zone)",
    "at your DNS host ({server})",
    "at your DNS host",
    "at {host} ({path})",
    "its DNS settings for the domain",
    "(leave the name empty)",
    "{value} with the priority {priority}",
    "nothing",
)
_WHEN: Final = (
    "at {clock} UTC",
    "within 1 minute",
    "within {minutes} minutes",
    "on {date} at {clock} UTC",
    "just now",
    " when it looked on {date} at {clock} UTC",
    "signing with the key before, {selector}",
)
_KEYS: Final = (
    "a receiver may take any of them",
    "together they are one value that was cut into records",
    "one of them is the key that belongs at {owner}",
    ". external-dns writes its text heritage=external-dns again, until it runs with --txt-prefix",
    "the ; at character {number} is one too many",
    "“{part}” is not of the form name=value",
    "it holds “{part}”",
    "its {number} characters can't be decoded: some are missing",
    "it holds the BEGIN and END lines of a file",
    "it is cut, or something else",
    "a key of {bits} bits",
    "another key",
    ", and add a TXT record {host} with the value that stands there now",
    "your key",
    "its first {number} of {whole} characters are missing",
    "1 character is missing after the first {before} of the key, where the value was split after {place} characters",
    "1 character is missing after the first {before} of the key",
    "{number} characters are missing after the first {before} of the key, where the value was split after {place} "
    "characters",
    "{number} characters are missing after the first {before} of the key",
    "it ends after {size} of about {whole} characters: the panel cuts at {limit}, the most that one string of a TXT "
    "record holds",
    "it ends after {size} of about {whole} characters",
)
_DMARC: Final = (
    ". This puts p={policy} into force: write p=none for now if you are not sure that all your mail passes",
    "act as if it were p=none",
    "ignore the record",
    "p should follow v at once: RFC 9989 lets it stand anywhere, RFC 7489 did not",
    ". {host} is a CNAME to {end}, so tell whoever runs that zone",
    "the first tag must be v=DMARC1",
    "it must begin with v=DMARC1 and a semicolon",
    "this is not a tag with = and a value",
    "this address has no tag; a comma instead of the semicolon before it, or ruf= there, was meant",
    "there is one semicolon too many",
    "there is no ; before “{part}”",
    "this character is not allowed",
    "fo is made of 0 or 1, d and s, with : between them; 0 and 1 exclude each other",
    "{tag} is one of {allowed}",
)
_SPF: Final = (
    ", then add a TXT record there with the value {value}",
    ": its value should be {value}, in one TXT record, and the other one deleted",
    ": its value should be {value}",
    "the includes go round in a circle",
    "the redirects go round in a circle",
    "there is no SPF record",
    "there is more than one SPF record",
    "the SPF record is faulty: “{part}” {why}",
    " A wildcard gives the record there, whatever name the message leads to, and that includes itself.",
    " The record of {host} names it, not yours.",
    " {part} is the mail provider's own record: tell its support.",
    ", or fewer MX at {host}",
    ", beginning with {part}",
    "; {part} alone needs too many: tell the mail provider's support",
    "at least {number}",
    "every server matches, by way of {part}",
    "every server matches",
    "most addresses of the Internet match",
    "narrow its networks to the addresses that send",
    "put “~all” at its end in place of “{part}”",
    "take “{part}” out",
    "holds a “%” that begins no macro, or a character that may not be there",
    "may not stand here: only spaces separate the parts",
    "holds no whole and valid address",
    "ends a text longer than {number} characters",
    "is no mechanism and no modifier",
    "has no address directly after it: {name}:address is the form",
    "holds an address that goes after {name}:",
    "holds a name where an address must stand; names go after a: or include:, not after {name}:",
    "is no character of an SPF record: a long dash, a tab or an invisible space may have come by copying",
    "is skipped by receivers: {name}: has a colon",
    "needs a space before it",
    "must stand directly before its mechanism, without a space",
    "is not known to SPF; {name} is meant",
    "is not known to SPF",
    "may not have the “{part}” before it",
    "has no domain directly after it",
    "holds an address where a domain must stand; addresses go after ip4: or ip6:",
    "has a macro that only the text of an explanation may have",
    "does not end in a domain name such as example.com",
    "holds “{part}”, which no domain name has",
    "is a second {name}=, and one is allowed",
    "must be “all” and nothing more",
    "must be written as {name}:domain, with nothing else in it",
    "must be followed by its value without a space",
    "has a prefix length over /32, or over //128 for IPv6",
    "ends in something that is no prefix length, such as /24",
)
_OTHERS: Final = (
    "it is not delegated",
    "{target} (by way of {names})",
)
# Why a server gave no answer.
_NETWORK: Final = (
    "no answer in {seconds} s",
    "answers without authority",
    "answers for {name} instead",
    "does not recurse for us",
    "passed on a referral",
    "sent nothing that answers the question",
    "the resolvers do not answer",
    "no nameservers are known for {name}",
    "none of the nameservers has an address that we can ask",
    "the servers send us from one to the next",
)
# Why no button leads to the DNS host: records are in the way.
_WAY = "Look whether something still needs it; remove it, or add the records by hand."
_COLLISIONS: Final = (
    "{sender} has no record of its own: *.{above} answers for it, and would no longer. Add to {sender} what *.{above} "
    "answers for it, such as addresses, MX and SPF.",
    f"{{host}} has a CNAME to {{target}} already, which would be deleted. {_WAY}",
    f"{{host}} has a record of type {{type}} already, which would be deleted. {_WAY}",
    f"{{host}} has another {{type}} already, which would be lost. {_WAY}",
    f"The SPF record at {{host}} has a fault that merging leaves. {_WAY}",
    "The SPF record at {host} would cost more than {number} lookups (RFC 7208 4.6.4). Remove terms from it that nobody "
    "needs, or choose another MAIL FROM name.",
)
# What a page for customers answers where something is refused.
_REFUSALS: Final = (
    "There is no set-up page at this address.",
    "Take the whole link from the message you were sent, or ask its sender for a new one.",
    "This link has ended: it ran out, or it was revoked.",
    "Ask whoever sent it to you for a new one. What is published in DNS already stays as it is.",
    "The domain of this link was deleted.",
    "Ask whoever sent it to you for a new one.",
    "{address} is an address that no mail can reach.",
    "{address} is no e-mail address that we can write to.",
    "Write it as name@host in plain ASCII, without quotes or spaces; a host in another script as xn--….",
    "Write the address of a mailbox at a public domain.",
    "Too many messages of this kind were sent in the last day.",
    "The message to {address} was not sent.",
    "Copy the text instead, or try again later.",
    "This link to confirm an address is not whole, was used already, or is over a day old.",
    "Take the whole link from the newest message, or ask for the change again.",
    "This link to end reminders is not whole, or what it is for is gone.",
    "Take the whole link from the newest message.",
    "This installation sends no mail: no mail server is set.",
    "Pass a link on yourself, and ask the operator to change an address; the operator can set LETTERHEAD_SMTP_URL.",
    "The body is larger than {number} KB.",
    "Send at most {number} KB.",
)
TEMPLATES: Final = (*_WHERE, *_WHEN, *_KEYS, *_DMARC, *_SPF, *_OTHERS, *_NETWORK, *_COLLISIONS, *_REFUSALS)
