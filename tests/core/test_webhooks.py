"""What an endpoint may look like, how a message is signed, what an answer means."""

from datetime import UTC, datetime, timedelta

import pytest

from letterhead.core.domain.domain import EventKind
from letterhead.core.public.webhooks import (
    EVERY,
    DeliveryStatus,
    EgressPolicy,
    HttpResult,
    decide_retry,
    new_secret,
    parse_events,
    parse_target,
)
from letterhead.core.schedule.check_schedule import RETRIES
from letterhead.core.secret import reveal
from letterhead.errors import Fault, Kind

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
STRICT, OPEN = EgressPolicy(), EgressPolicy(http=True, private=True)

GOOD = {
    "https://hooks.acme.dev": ("hooks.acme.dev", 443, "/", "hooks.acme.dev"),
    "HTTPS://Hooks.ACME.dev./a/b?c=d&e=%20": ("hooks.acme.dev", 443, "/a/b?c=d&e=%20", "hooks.acme.dev"),
    "https://xn--bcher-kva.dev:8443/x": ("xn--bcher-kva.dev", 8443, "/x", "xn--bcher-kva.dev:8443"),
    "https://acme.dev?x": ("acme.dev", 443, "/?x", "acme.dev"),
    "https://1.1.1.1/": ("1.1.1.1", 443, "/", "1.1.1.1"),
    "https://[2606:4700::1111]:444/": ("2606:4700::1111", 444, "/", "[2606:4700::1111]:444"),
}
INVALID, HTTPS, INSIDE = Kind.WEBHOOK_URL_INVALID, Kind.WEBHOOK_NOT_HTTPS, Kind.WEBHOOK_NOT_PUBLIC
BAD = {
    "": INVALID, "acme.dev": INVALID, "https:acme.dev": INVALID, "https:///x": INVALID, "//acme.dev": INVALID,
    "https://me@acme.dev/": INVALID, "https://me:pw@acme.dev/": INVALID, "https://acme.dev/#part": INVALID,
    "https://acme.dev\\@10.0.0.1/": INVALID, "https://acme.dev /": INVALID, "https://acme.dev/\r\nX: y": INVALID,
    "https://acme.dev:0/": INVALID, "https://acme.dev:65536/": INVALID, "https://acme.dev:/": INVALID,
    "https://bücher.dev/": INVALID, "https://-acme.dev/": INVALID, "https://acme..dev/": INVALID,
    "https://a_b.dev/": INVALID, f"https://acme.dev/{'x' * 2048}": INVALID, "https://[::1%25lo]/": INVALID,
    "https://2130706433/": INVALID, "https://0x7f.1/": INVALID, "https://127.1/": INVALID, "https://0/": INVALID,
    "https://0177.0.0.1/": INVALID, "https://[127.0.0.1": INVALID, "https://[1.2.3]/": INVALID,
    "http://acme.dev/": HTTPS, "ftp://acme.dev/": HTTPS, "file://acme.dev/": HTTPS, "gopher://acme.dev/": HTTPS,
    "https://127.0.0.1/": INSIDE, "https://[::1]/": INSIDE, "https://localhost/": INSIDE, "https://db/": INSIDE,
    "https://a.localhost./": INSIDE, "https://printer.local/": INSIDE, "https://x.internal/": INSIDE,
    "https://169.254.169.254/latest": INSIDE, "https://1.0.0.127.in-addr.arpa/": INSIDE,
}  # fmt: skip


@pytest.mark.parametrize("url", GOOD)
def test_good_urls(url: str) -> None:
    """A URL is read once into the parts that the request is made of."""
    target = parse_target(url, STRICT)
    assert (target.host, target.port, target.path, target.authority) == GOOD[url]


@pytest.mark.parametrize("url", BAD)
def test_bad_urls(url: str) -> None:
    """Each bad URL has its stable code and a fix, and shows no password whole lines of it."""
    with pytest.raises(Fault) as caught:
        parse_target(url, STRICT)
    assert caught.value.kind is BAD[url]
    assert caught.value.fix
    assert "\n" not in caught.value.detail


@pytest.mark.parametrize(
    ("url", "written"),
    [
        ("https://bücher.dev/hook", "https://xn--bcher-kva.dev/hook"),
        ("https://Hooks.BÜCHER.dev:8443", "https://Hooks.xn--bcher-kva.dev:8443"),
        ("https://acme.dev:8443/ä?x=1&y=ü", "https://acme.dev:8443/%C3%A4?x=1&y=%C3%BC"),
        ("https://acme.dev/%C3%A4/é", "https://acme.dev/%C3%A4/%C3%A9"),
        ("https://acme.dev?名=1", "https://acme.dev?%E5%90%8D=1"),
    ],
)
def test_letters_beyond_ascii_are_refused_with_the_url_to_write(url: str, written: str) -> None:
    """The fix is the URL as it must be written, and that one is taken."""
    with pytest.raises(Fault) as caught:
        parse_target(url, STRICT)
    assert (caught.value.kind, caught.value.fix) == (INVALID, f"Write it as {written}")
    assert parse_target(written, STRICT).host.isascii()


@pytest.mark.parametrize(
    "url", ["https://me@bücher.dev/", "https://☃.dev/", "https://acme.dev/ä#part", "ä", "https://ä b/", "https:///ä"]
)
def test_no_url_is_given_where_it_would_be_refused_too(url: str) -> None:
    """What has more wrong with it than its letters gets no URL that looks right."""
    with pytest.raises(Fault) as caught:
        parse_target(url, STRICT)
    assert caught.value.kind is INVALID
    assert "Write it as" not in str(caught.value.fix)


@pytest.mark.parametrize(
    ("url", "setting"),
    [
        ("https://n8n:5678/hook", "LETTERHEAD_WEBHOOKS_ALLOW_PRIVATE=true"),
        ("https://10.0.0.7/hook", "LETTERHEAD_WEBHOOKS_ALLOW_PRIVATE=true"),
        ("http://hooks.acme.dev/", "LETTERHEAD_WEBHOOKS_ALLOW_HTTP=true"),
    ],
)
def test_a_refusal_names_the_setting_as_it_is_typed(url: str, setting: str) -> None:
    """Whoever runs a closed network copies the name of the setting from the refusal."""
    with pytest.raises(Fault) as caught:
        parse_target(url, STRICT)
    assert setting in str(caught.value.fix)


def test_what_the_operator_allows() -> None:
    """HTTP and private addresses pass where both are allowed, and each only where it is."""
    for url in ("http://127.0.0.1:8080/", "http://hooks/", "https://localhost/"):
        assert parse_target(url, OPEN).host in url
    with pytest.raises(Fault):
        parse_target("http://127.0.0.1/", EgressPolicy(http=True))
    with pytest.raises(Fault):
        parse_target("http://127.0.0.1/", EgressPolicy(private=True))


def test_subscriptions() -> None:
    """Events are kept once each in their own order, `*` swallows the others, and unknown ones are named."""
    assert parse_events(["domain.lost", "domain.created", "domain.lost"]) == ("domain.created", "domain.lost")
    assert parse_events(["domain.lost", EVERY]) == (EVERY,)
    assert len(parse_events([kind.value for kind in EventKind])) == 18
    for bad in ([], ["domain.lots"], ["webhook.test"]):
        with pytest.raises(Fault) as caught:
            parse_events(bad)
        assert caught.value.kind is Kind.WEBHOOK_EVENTS_INVALID


def test_secrets_are_not_shown() -> None:
    """A secret has the Standard Webhooks prefix and 256 bit, and no repr."""
    secret = new_secret(bytes(range(32)))
    assert reveal(secret).startswith(b"whsec_")
    assert "whsec" not in repr(secret)
    with pytest.raises(ValueError, match="32"):
        new_secret(b"short")


def status(code: int | None, retry_after: str | None = None) -> HttpResult:
    """Make an answer."""
    return HttpResult(status=code, said="", retry_after=retry_after)


def test_the_schedule_is_the_promised_one() -> None:
    """0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, and then it ends."""
    waits = [decide_retry(status(500), failures, NOW, 0.0).due_at for failures in range(10)]
    hours = [5 / 3600, 5 / 60, 0.5, 2, 5, 10, 14, 20, 24]
    assert waits == [*(NOW + timedelta(hours=wait) for wait in hours), None]
    assert RETRIES[0] == timedelta(0)
    assert decide_retry(status(500), 9, NOW, 0.0).fate is DeliveryStatus.FAILED
    assert sum(hours) > 72


@pytest.mark.parametrize("code", [200, 201, 204, 299])
def test_any_2xx_is_delivered(code: int) -> None:
    """Any 2xx ends it well."""
    assert decide_retry(status(code), 3, NOW, 0.0).fate is DeliveryStatus.DELIVERED


@pytest.mark.parametrize("code", [None, 100, 199, 301, 302, 307, 400, 404, 429, 500, 503])
def test_anything_else_is_tried_again(code: int | None) -> None:
    """No answer, a redirect, an error: tried again, and the endpoint lives on."""
    ruling = decide_retry(status(code), 0, NOW, 0.0)
    assert (ruling.fate, ruling.gone) == (DeliveryStatus.PENDING, False)


def test_gone_is_gone() -> None:
    """410 ends the endpoint."""
    ruling = decide_retry(status(410), 0, NOW, 0.0)
    assert (ruling.fate, ruling.gone, ruling.due_at) == (DeliveryStatus.FAILED, True, None)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120), ("0", 5), ("3", 5), ("99999999", 86400), ("Mon, 23 Nov 2026 13:00:00 GMT", 3600),
        ("Mon, 23 Nov 2020 13:00:00 GMT", 5), ("Mon, 23 Nov 2026 13:00:00 -0000", 3600), ("soon", 5), ("-5", 5),
        ("1e9", 5), ("٣", 5), ("Tue, 99 Foo 9999 99:99:99 GMT", 5), ("", 5),
        (f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT", 5), (f"Mon, 01 Jan 2026 {'9' * 20}:00:00 GMT", 5),
        (f"Mon, 01 Jan 2026 00:00:00 +{'9' * 20}", 5), ("Fri, 31 Dec 9999 23:59:59 -2359", 86400),
        ("9" * 5000, 5), ("(" * 5000, 5),
    ],
)  # fmt: skip
def test_retry_after_is_honoured(header: str, wait: int) -> None:
    """Seconds and dates put the next attempt off, at most a day; nonsense does not."""
    assert decide_retry(status(429, header), 0, NOW, 0.0).due_at == NOW + timedelta(seconds=wait)
