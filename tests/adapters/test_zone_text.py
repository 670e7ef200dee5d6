"""Zone text as DNS hosts export it is read whole; a line that is not understood costs itself alone."""

import pytest

from letterhead.adapters.dns.zonefile import ZoneFileResolver
from letterhead.core.dns.answers import Answer, Found, NoData, NxDomain, Question, Unanswered, View, Why
from letterhead.core.dns.records import Mx, Txt
from letterhead.errors import Fault, Kind

START = "@ 600 IN SOA ns1.dns.example. admin.dns.example. 7 7200 900 1209600 300\n@ 600 IN NS ns1.dns.example.\n"
NAMED = f"$ORIGIN blume.example.\n{START}"
FULL = (
    "blume.example. 600 IN SOA ns1.dns.example. admin.dns.example. 7 7200 900 1209600 300\n"
    "blume.example. 600 IN NS ns1.dns.example.\n"
    'key._domainkey.blume.example. 600 IN TXT "v=DKIM1; p=AAAA"\n'
    "post.blume.example. 600 IN MX 10 in.post.example.\n"
)


def answer(resolver: ZoneFileResolver, name: str, rdtype: str = "TXT") -> Answer:
    """Return what the resolvers' view answers."""
    (reply,) = resolver.replies(Question(name=name, rdtype=rdtype, view=View.RECURSIVE))
    return reply.answer


def texts(resolver: ZoneFileResolver, name: str) -> list[str]:
    """Return the texts at a name."""
    found = answer(resolver, name)
    assert isinstance(found, Found), found
    return [rdata.text for rdata in found.rrset.rdatas if isinstance(rdata, Txt)]


def left_out(resolver: ZoneFileResolver) -> list[int]:
    """Return the numbers of the lines that were not read."""
    return [line.number for line in resolver.notes.unread]


EXPORTS = {
    # Full names, but for the owner of the SOA.
    "Cloudflare": f";; Domain:     blume.example.\n{FULL.replace('blume.example. ', 'blume.example ', 1)}",
    "Cloudflare under $ORIGIN": f"$ORIGIN blume.example.\n{FULL.replace('blume.example. ', 'blume.example ', 1)}",
    "full names alone": FULL,
    "AXFR": f"; <<>> DiG 9.20 <<>> axfr blume.example\n{FULL}{FULL.splitlines()[0]}\n;; Query time: 3 msec\n",
    "AXFR under $ORIGIN": f"$ORIGIN blume.example.\n{FULL}{FULL.splitlines()[0]}\n",
    "two AXFR": f"{FULL}{FULL.splitlines()[0]}\n{FULL}{FULL.splitlines()[0]}\n",
    "SOA last": "\n".join(reversed(FULL.splitlines())),
    "no SOA": "\n".join(FULL.splitlines()[1:]),
    "NS names the zone": "blume.example. NS ns1.dns.example.\n"
    'key._domainkey TXT "v=DKIM1; p=AAAA"\npost MX 10 in.post.example.\n',
    "named": "$ORIGIN .\n$TTL 600\nblume.example IN SOA ns1.dns.example. admin.dns.example. (\n  7 ; serial\n"
    "  7200 900 1209600 300 )\n\tNS ns1.dns.example.\n$ORIGIN _domainkey.blume.example.\n"
    'key TXT ( "v=DKIM1; "\n   "p=AAAA" )\n$ORIGIN blume.example.\npost MX 10 in.post.example.\n',
    "Windows": ";\n;  Database file blume.example.dns for blume.example zone.\n;      Zone version:  7\n;\n\n"
    "@  IN  SOA ns1.dns.example. admin.dns.example. (\n   7 ; serial\n   7200 900 1209600 300 )\n"
    '@ NS ns1.dns.example.\nkey._domainkey TXT ( "v=DKIM1; p=AAAA" )\npost MX 10 in.post.example.\n',
    "Windows with ages": f'{NAMED}key._domainkey [AGE:3712345] 1200 TXT "v=DKIM1; p=AAAA"\n'
    "post\t[AGE:3712345]\tMX 10 in.post.example.\n\t[AGE:3712345] A 192.0.2.7\n",
    "PowerDNS": f"$ORIGIN .\n{FULL.replace('.example. ', '.example ')}",
    "comment": f'; Zone file for "blume.example" exported today\n{START}key._domainkey 1h TXT "v=DKIM1; p=AAAA"\n'
    "post IN 1h MX 10 in.post.example.\n",
    "SOA without its dot": "blume.example IN SOA ns1.dns.example. admin.dns.example. 7 7200 900 1209600 300\n"
    'key._domainkey TXT "v=DKIM1; p=AAAA"\npost MX 10 in.post.example.\n',
    "the domain asked for": f'{START}   IN MX 5 mx.blume.example.\nkey._domainkey TXT "v=DKIM1; p=AAAA"\n'
    "post MX 10 in.post.example.\n",
    "every line indented": "".join(
        f"    {line}\n"
        for line in f'{NAMED}key._domainkey TXT "v=DKIM1; p=AAAA"\npost MX 10 in.post.example.'.splitlines()
    ),
    "indented under $ORIGIN": "$ORIGIN blume.example.\n"
    + "".join(f"  {line}\n" for line in [*START.splitlines(), 'key._domainkey TXT "v=DKIM1; p=AAAA"'])
    + "  post MX 10 in.post.example.\n",
    "carriage returns and a mark": "\ufeff" + FULL.replace("\n", "\r\n"),
    "quoted owner, glued strings": f'{NAMED}"key._domainkey" TXT "v=DKIM1;"" p=AAAA"\npost MX 10 in.post.example.\n',
    "escapes": f'{NAMED}key.\\_domainkey TXT "v=DKIM1\\; p=AAAA"\npost MX 10 in.post.example.\n',
    "GoDaddy": f'{NAMED}key._domainkey.@ TXT "v=DKIM1; p=AAAA"\npost MX 10 in.post.example.\n',
}


@pytest.mark.parametrize("text", EXPORTS.values(), ids=EXPORTS)
def test_any_export_is_read_whole(text: str) -> None:
    """The same two records are read from each form of the zone, and no line is left out."""
    resolver = ZoneFileResolver(text, asked="blume.example")
    assert resolver.zones == ("blume.example",)
    assert texts(resolver, "key._domainkey.blume.example") == ["v=DKIM1; p=AAAA"]
    mail = answer(resolver, "post.blume.example", "MX")
    assert isinstance(mail, Found)
    assert mail.rrset.rdatas == (Mx(preference=10, exchange="in.post.example"),)
    assert isinstance(answer(resolver, "gone.blume.example"), NxDomain)
    assert left_out(resolver) == []


def test_the_zone_that_is_only_assumed_is_noted() -> None:
    """Only where nothing in the text names its zone is the domain asked for taken, and that is said."""
    assert ZoneFileResolver(START, asked="blume.example").notes.assumed_zone == "blume.example"
    for text in (NAMED, FULL, f"; Domain: blume.example\n{START}"):
        assert ZoneFileResolver(text, asked="other.example").zones == ("blume.example",)
        assert ZoneFileResolver(text, asked="blume.example").notes.assumed_zone is None


@pytest.mark.parametrize(
    "line",
    [
        "www 300 AWS ALIAS A lb.cloud.example. Z0 true",
        "www 300 AZURE ALIAS A /subscriptions/0/shop",
        "www IN ALIAS shop.example.",
        "www ANAME shop.example.",
        "www 300 IN URL301 https://shop.example/",
        "www A Our Published Site",
        "www TXT",
        'www TXT "never closed',
        'www TXT ( "never closed',
        'www TXT "closed" )',
        "www MX mail",
        "www CH TXT version",
        "www NONSENSE 1",
        "www",
        "w..w A 192.0.2.1",
        f"{'w' * 64} A 192.0.2.1",
        "www.elsewhere.example. A 192.0.2.1",
        "$DATE today",
        "$GENERATE 1-4000000000 h$ A 192.0.2.1",
        "www A 192.0.2.1 192.0.2.2",
        "www 300 TYPE999999 \\# 1 00",
    ],
)
def test_a_line_that_is_not_understood_costs_itself_alone(line: str) -> None:
    """What stands before it and after it is read, and the line is noted by its number."""
    resolver = ZoneFileResolver(f'{NAMED}a TXT "before"\n{line}\nb TXT "after"\n')
    assert (texts(resolver, "a.blume.example"), texts(resolver, "b.blume.example")) == (["before"], ["after"])
    assert left_out(resolver) == [5]
    assert resolver.notes.unread[0].why


@pytest.mark.parametrize(
    ("line", "unknown", "known"),
    [
        ('www TXT "open', {"TXT"}, {"A", "MX"}),
        ("www A words", {"A"}, {"TXT", "MX"}),
        ("www AWS ALIAS TXT other.blume.example. Z0 true", {"TXT"}, {"A", "MX"}),
        ("www AZURE ALIAS CNAME /subscriptions/0", {"CNAME", "TXT", "A"}, set()),
        ("www ALIAS shop.example.", {"A", "AAAA"}, {"TXT", "MX"}),
        ("www CNAME not..a.name.", {"A", "TXT", "MX", "CNAME"}, set()),
        ("www TXTT here", {"A", "TXT", "MX"}, set()),
        ("* TXT broken)", {"TXT"}, {"A"}),
        ("other TXT broken)", set(), {"TXT", "A"}),
    ],
)
def test_only_what_the_line_may_hold_is_unknown(line: str, unknown: set[str], known: set[str]) -> None:
    """A line that can't be read makes the records unknown that it may hold, at its name; never missing."""
    resolver = ZoneFileResolver(f'{NAMED}a TXT "before"\n{line}\n')
    said = {rdtype: answer(resolver, "www.blume.example", rdtype) for rdtype in unknown | known}
    unread = {rdtype: each for rdtype, each in said.items() if isinstance(each, Unanswered)}
    assert set(unread) == unknown
    assert {each.why for each in unread.values()} <= {Why.UNREADABLE}
    assert all(each.detail.startswith("line 5 (") for each in unread.values())
    assert all(isinstance(said[rdtype], NoData | NxDomain) for rdtype in known)


def test_a_record_beside_an_unread_one_of_its_type_is_unknown() -> None:
    """Where one TXT of a name can't be read, the set of its TXT is not known; other types are."""
    resolver = ZoneFileResolver(f'{NAMED}www TXT "one"\nwww TXT "open\nwww MX 1 mx\nwww FANCY 1\n')
    assert isinstance(answer(resolver, "www.blume.example"), Unanswered)
    assert isinstance(answer(resolver, "www.blume.example", "MX"), Found)
    assert "www.blume.example" in resolver.owners


def test_what_is_not_in_a_text_with_include_is_unknown() -> None:
    """The file of $INCLUDE is not read, and may hold whatever the text does not; what the text holds is read."""
    resolver = ZoneFileResolver(f'{NAMED}$INCLUDE /etc/hostname\na TXT "here"\n')
    assert texts(resolver, "a.blume.example") == ["here"]
    for name in ("gone.blume.example", "blume.example"):
        said = answer(resolver, name)
        assert isinstance(said, Unanswered)
        assert (said.why, "$INCLUDE" in said.detail) == (Why.UNREADABLE, True)


def test_generate_is_written_out() -> None:
    """BIND's $GENERATE makes a record for each number, in owner and value, with offset, width and base."""
    text = (
        f"{NAMED}$GENERATE 1-3 k$._domainkey CNAME k$.keys.example.\n$GENERATE 8-12/2 h${{2,3,x}} 60 IN A 192.0.2.$\n"
    )
    resolver = ZoneFileResolver(text)
    said = answer(resolver, "k2._domainkey.blume.example", "CNAME")
    assert isinstance(said, Found)
    assert isinstance(answer(resolver, "k4._domainkey.blume.example", "CNAME"), NxDomain)
    assert {"h00a.blume.example", "h00c.blume.example", "h00e.blume.example"} <= set(resolver.owners)
    assert left_out(resolver) == []


def test_dname_leads_every_name_below_it() -> None:
    """RFC 6672 3.1: the names below a DNAME are aliases, also over other zones of the text; its owner is not."""
    resolver = ZoneFileResolver(
        f'{NAMED}_domainkey DNAME keys.other.example.\n_domainkey TXT "own"\nhidden._domainkey TXT "never seen"\n'
        f'$ORIGIN other.example.\n{START}s1.keys TXT "key"\n'
    )
    assert texts(resolver, "s1._domainkey.blume.example") == ["key"]
    assert texts(resolver, "_domainkey.blume.example") == ["own"]
    assert not isinstance(answer(resolver, "hidden._domainkey.blume.example"), Found)


def test_two_versions_of_a_zone_are_refused_with_both_lines() -> None:
    """Which of them is meant can't be known; copies that do not contradict each other are one zone."""
    later = START.replace(" 7 ", " 8 ")
    for text, lines in (
        (f"{NAMED}$ORIGIN blume.example.\n{later}", "2 and 5"),
        (f'{NAMED}a TXT "1"\n$ORIGIN blume.example.\n{START}a TXT "2"\n', "4 and 8"),
    ):
        with pytest.raises(Fault, match=f"Lines {lines} .* two versions of the zone blume.example") as refused:
            ZoneFileResolver(text)
        assert refused.value.kind is Kind.PARAMETER_INVALID
        assert refused.value.fix
    joined = ZoneFileResolver(f'{NAMED}a TXT "1"\n$ORIGIN blume.example.\n{START}a TXT "1"\nb TXT "2"\n')
    assert (texts(joined, "a.blume.example"), texts(joined, "b.blume.example")) == (["1"], ["2"])
    with pytest.raises(Fault, match="two versions"):
        ZoneFileResolver(NAMED, f"$ORIGIN blume.example.\n{later}")


def test_a_zone_goes_on_after_one_below_it() -> None:
    """A record belongs to the closest zone of the text, whichever SOA stands before it."""
    resolver = ZoneFileResolver(f'{NAMED}$ORIGIN sub.blume.example.\n{START}$ORIGIN blume.example.\nlate TXT "there"\n')
    assert resolver.zones == ("blume.example", "sub.blume.example")
    assert texts(resolver, "late.blume.example") == ["there"]


@pytest.mark.parametrize(("letter", "octets"), [("a", 300), ("ä", 300), ("\\;", 300), ("\\228", 300)])
def test_a_string_that_is_too_long_is_read_and_noted(letter: str, octets: int) -> None:
    """The text is read as if it were split; the note has its line, its octets, and a form that is read the same."""
    written = letter * (octets // len(letter.encode() if letter == "ä" else b"."))
    resolver = ZoneFileResolver(f'{NAMED}a TXT "short"\nk TXT "{written}"\n')
    (note,) = resolver.notes.long_strings
    assert (note.number, note.owner, note.octets) == (5, "k.blume.example", octets)
    split = ZoneFileResolver(f"{NAMED}k TXT {note.split}\n")
    assert split.notes.long_strings == ()
    assert texts(split, "k.blume.example") == texts(resolver, "k.blume.example")
    assert len(texts(resolver, "k.blume.example")[0]) == octets


def test_a_string_of_255_octets_is_not_too_long() -> None:
    """The limit is counted in octets of the value, not in characters of the text."""
    written = "\\;" * 255
    assert ZoneFileResolver(f'{NAMED}k TXT "{written}"\n').notes.long_strings == ()


def test_an_open_parenthesis_does_not_take_the_rest_of_the_file() -> None:
    """Where it is never closed, reading goes on with the next line."""
    resolver = ZoneFileResolver(f"{NAMED}a TXT (\n" + 'x TXT ( "1"\n' * 300 + 'b TXT "after"\n')
    assert texts(resolver, "b.blume.example") == ["after"]
    assert len(left_out(resolver)) == 301
