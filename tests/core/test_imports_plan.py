"""The plan of an import: a key that DNS serves comes along, all else gets a new key beside, and nothing is guessed."""

import base64
from collections.abc import Sequence
from itertools import product

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from letterhead.core.imports.found import FoundDomain, FoundKey, is_ed25519, merge_domains, pem_of
from letterhead.core.imports.plan import ImportAction, KeyReading, PlannedImport, plan_imports, record_host
from letterhead.core.secret import Secret, reveal
from tests.rigs.signing import OWN, Pair

NAME = "acme.dev"
OTHER, SHORT = Pair.of_bits(2049), Pair.of_bits(1024)
WRONG = "has 512 bits, which is too short"


def public_key(pair: Pair) -> str:
    """Return what stands after p=."""
    return pair.record.partition("p=")[2]


def key(pair: Pair | None = OWN, selector: str = "mail", **more: str) -> FoundKey:
    """Make a key as a source has it."""
    return FoundKey(selector=selector, place="/k", private_key=Secret(pair.pem) if pair else None, **more)


def plan(
    keys: Sequence[FoundKey], readings: Sequence[KeyReading], texts: Sequence[str] | None, present: str | None = None
) -> PlannedImport:
    """Plan one domain, with the same answer of DNS for each selector."""
    hosts = {record_host(NAME, each.selector.lower()): texts for each in keys}
    here = {NAME: present} if present else {}
    (planned,) = plan_imports([FoundDomain(sender=NAME, keys=tuple(keys))], {NAME: readings}, hosts, here)
    return planned


def read(pair: Pair = OWN) -> KeyReading:
    """Make what a good key turns out to be."""
    return KeyReading(public_key=public_key(pair))


@pytest.mark.parametrize(
    ("texts", "action", "why"),
    [
        ([OWN.record], ImportAction.ADD_WITH_KEY, "is published"),
        ([OWN.record.replace("p=", "p= ")], ImportAction.ADD_WITH_KEY, "is published"),
        (["v=spf1 -all", OWN.record], ImportAction.ADD_WITH_KEY, "is published"),
        (None, ImportAction.ADD_WITH_KEY, "DNS did not say"),
        ([OTHER.record], ImportAction.ADD, "holds another key than /k"),
        (["v=DKIM1; p="], ImportAction.ADD, "holds another key"),
        ([], ImportAction.ADD, "mail._domainkey.acme.dev is not published"),
    ],
)
def test_dns_decides_whether_a_key_comes_along(texts: Sequence[str] | None, action: ImportAction, why: str) -> None:
    """The record's own key, and nothing else; silence is no reason for a new one."""
    planned = plan([key()], [read()], texts)
    assert (planned.action, why in planned.why) == (action, True), planned.why
    assert (planned.selector == "mail") is (action is ImportAction.ADD_WITH_KEY)
    assert "PRIVATE" not in repr(planned)


def test_the_first_key_that_can_comes_along() -> None:
    """Of two keys, the second is taken where the first is none; where none is, each is named."""
    keys = [key(selector="old"), key(selector="NEW")]
    planned = plan(keys, [KeyReading(problem=WRONG), read()], [OWN.record])
    assert (planned.action, planned.selector) == (ImportAction.ADD_WITH_KEY, "new")
    none = plan(keys, [KeyReading(problem=WRONG), read()], [OTHER.record])
    assert none.action is ImportAction.ADD
    assert WRONG in none.why
    assert "new._domainkey" in none.why


def test_a_key_that_cannot_be_read_is_no_reason_for_a_new_one() -> None:
    """Who runs the command as the wrong user must not get new keys for everything."""
    planned = plan([key(None, unread="can't be read (Permission denied)")], [KeyReading()], [OWN.record])
    assert planned.action is ImportAction.REFUSE
    assert "Permission denied" in planned.why


def test_what_a_source_keeps_and_selectors_that_are_none() -> None:
    """A service keeps its keys; a selector that we would refuse is said to be none."""
    kept = plan([key(None, kept="stays at the service")], [KeyReading(problem="stays at the service")], None)
    assert (kept.action, "stays at the service" in kept.why) == (ImportAction.ADD, True)
    odd = plan([key(selector="a b")], [read()], [OWN.record])
    assert (odd.action, "is not a selector" in odd.why) == (ImportAction.ADD, True)


def test_a_short_key_is_taken_with_a_warning() -> None:
    """1024 bits sign on, since receivers take them, and the plan says that they are few."""
    planned = plan([key(SHORT)], [read(SHORT)], [SHORT.record])
    assert (planned.action, planned.has_short_key) == (ImportAction.ADD_WITH_KEY, True)
    assert "1024 bits are few" in planned.why
    assert not plan([key()], [read()], [OWN.record]).has_short_key


def test_what_is_here_stays_as_it_is() -> None:
    """A domain of the account is kept; another selector is told."""
    assert plan([key()], [read()], None, present="mail").why == ""
    other = plan([key()], [read()], None, present="lh1")
    assert (other.action, "signs with lh1 here" in other.why) == (ImportAction.KEEP, True)


def test_names_that_cannot_be_added_are_refused() -> None:
    """What is no domain is refused with the reason, and stops no other."""
    found = merge_domains([FoundDomain(sender=each) for each in ("b@d", "Good.Test.", "good.test", "Bücher.test")])
    planned = plan_imports(found, {}, {}, {})
    assert [(each.sender, each.action) for each in planned] == [
        ("b@d", ImportAction.REFUSE),
        ("good.test", ImportAction.ADD),
        ("xn--bcher-kva.test", ImportAction.ADD),
    ]


@pytest.mark.parametrize(("form", "pair"), [*product(["pkcs1", "pkcs8", "pem"], [OWN, SHORT])])
def test_a_key_without_its_first_and_last_line(form: str, pair: Pair) -> None:
    """Base64 of either DER form becomes PEM that loads again; what is PEM stays."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    der = PrivateFormat.PKCS8 if form == "pkcs8" else PrivateFormat.TraditionalOpenSSL
    octets = pair.key.private_bytes(Encoding.DER, der, NoEncryption())
    text = pair.pem if form == "pem" else base64.b64encode(octets)
    loaded = load_pem_private_key(reveal(pem_of(Secret(text))), None)
    assert loaded.private_bytes(Encoding.DER, der, NoEncryption()) == octets
    assert reveal(pem_of(Secret(b"no key: {}"))) == b"no key: {}"


def test_an_ed25519_key_is_known_in_every_form_that_sources_write() -> None:
    """PEM and base64 of PKCS #8, rspamd's seed and its seed with the public key; an RSA key is none, cut or whole."""
    made = Ed25519PrivateKey.generate()
    der = made.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    pem = made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    seed, both = made.private_bytes_raw(), made.private_bytes_raw() + made.public_key().public_bytes_raw()
    for text in (pem, *(base64.b64encode(each) for each in (der, seed, both))):
        assert is_ed25519(pem_of(Secret(text)))
    for text in (OWN.pem, SHORT.pem, OWN.pem[:200], b"", b"no key"):
        assert not is_ed25519(pem_of(Secret(text)))


def test_an_ed25519_key_stays_behind_and_its_domain_is_told_so() -> None:
    """Alone it leads to a new RSA key; beside an RSA key that comes along, it is named all the same."""
    second = KeyReading(is_ed25519=True)
    alone = plan([key(selector="ed")], [second], [OWN.record])
    assert (alone.action, alone.selector) == (ImportAction.ADD, None)
    both = plan([key(selector="ed"), key()], [second, read()], [OWN.record])
    assert (both.action, both.selector) == (ImportAction.ADD_WITH_KEY, "mail")
    for each in (alone, both):
        assert "the key of ed is an Ed25519 key, which can't come along: leave its record" in each.why
        assert "LETTERHEAD_ED25519=on" in each.why
