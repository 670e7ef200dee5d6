"""No English is left on a page for customers: in a language whose every text is marked, all else is data."""

from collections.abc import Iterator
from html.parser import HTMLParser

import httpx2
import pytest

from letterhead.core.languages.language import ENGLISH
from letterhead.core.languages.negotiation import NAMES
from letterhead.core.plan import dns_hosts
from letterhead.web.pages.apply import SENTENCES
from tests.browser.gallery import Gallery, hung, names
from tests.rigs.marked_language import marked, marked_language, unmarked

READ = ("alt", "aria-label", "placeholder", "title", "data-announce", "data-copied", "data-uncopied", "data-copy")


class Reader(HTMLParser):
    """Collects what a person reads of a page, or has read out."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take the attributes that are read; leave out what is written in a computer's font, which is data."""
        self.texts += [value or "" for name, value in attrs if name in READ]
        self.skipped += tag in ("code", "script", "style") or dict(attrs).get("class") == "code"

    def handle_endtag(self, tag: str) -> None:
        """Go on after it."""
        if tag in ("code", "script", "style") or (tag == "p" and self.skipped):
            self.skipped -= 1

    def handle_data(self, data: str) -> None:
        """Take a text."""
        if not self.skipped:
            self.texts.append(data)


def english(page: str, data: list[str]) -> list[str]:
    """List what a page says outside the marks that is no data."""
    reader = Reader()
    reader.feed(page)
    return unmarked(reader.texts, data)


@pytest.fixture(scope="module")
def hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """Run the service, which reads the marked language in place of German."""
    language = marked_language()
    folder = tmp_path_factory.mktemp("marked")
    with hung(folder, languages=lambda code: language if code == "de" else ENGLISH) as gallery:
        yield gallery


def addresses(hall: Gallery, connected: str) -> Iterator[str]:
    """Yield the address of each page for customers, in each of its states; the DNS host of one can add its records."""
    for domain in names(hall):
        yield hall.link(domain.sender)
    hall.cached("queue.example")
    yield hall.link("queue.example")
    hall.rotate("lighthouse.example")
    yield hall.link("lighthouse.example")
    hall.switched("lighthouse.example")
    yield hall.link("lighthouse.example")
    for said in ("", *sorted(SENTENCES)):
        yield f"{connected}?applied={said}"
    spf = " ".join(f"include:spf{number}.example" for number in range(11))
    for sender, record in {
        "alder.example": "MX 5 mx.elsewhere.example.", "maple.example": f'TXT "v=spf1 {spf} ~all"',
        "hazel.example": "CNAME mail.elsewhere.example.", "rowan.example": 'TXT "v=spf1 ip4:x ~all"',
    }.items():  # fmt: skip
        yield f"{hall.connected(sender, f'lh.{sender}. 60 {record}')}?applied=collides"
    yield hall.connected("ash.example", "ash.example. 60 NS helium.ns.hetzner.de.")
    yield f"{hall.url}/setup/AAAAAAAAAAAAAAAAAAAAAA"
    yield f"{connected}/nothing"
    confirm, refuse = hall.contact("mirror.example", "dns@customer.example")
    yield from (confirm, refuse, f"{confirm}x", f"{refuse}x")


def test_no_page_for_customers_has_english_left(hall: Gallery) -> None:
    """In all states of the set-up page, on those that mails to a contact lead to, and on the pages of their errors."""
    hosts = hall.world.deps.hosts
    steps = [step for host in hosts for way in dns_hosts.steps_to_form(host, "ash.example") for step in way]
    named = [each for host in hosts for each in (host.name, host.short_name, host.imports, host.proxy) if each]
    data = [*NAMES.values(), *named, *steps]
    count, left = 0, {}
    led = hall.connected("willow.example")
    for address in addresses(hall, led):
        joined = "&" if "?" in address else "?"
        page = httpx2.get(f"{address}{joined}lang=de", headers={"Accept": "text/html"}, timeout=20, trust_env=False)
        count += 1
        assert '<html lang="de">' in page.text, address
        if address.endswith("collides") and not address.startswith(led):
            assert marked("The list below says what to do first.") not in page.text, "it says what is in the way"
        if said := english(page.text, sorted(data, key=len, reverse=True)):
            left[f"{page.status_code} {address}"] = said
    assert count > 40
    assert left == {}
