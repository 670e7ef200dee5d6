"""Knows how a domain reads on a terminal: the list, the records to publish, and what is wrong as a compiler says it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from letterhead.cli.tables import ago, columns, visible, word
from letterhead.core.dns.records import zone_line

Json = Mapping[str, Any]
WIDTH = 100  # characters of a long text that are shown where a part of it is marked
AROUND = 30


def list_text(domains: Sequence[Json]) -> Text:
    """Lays out the account's domains, one a line."""
    rows = [
        (
            domain["sender"],
            word(domain["status"]),
            word(domain.get("mailFromDomainStatus", "-")),
            domain["selector"],
            ago(domain["lastSync"]),
            ago(domain["createdAt"]),
        )
        for domain in domains
    ]
    return columns(("DOMAIN", "STATUS", "MAIL FROM", "SELECTOR", "LOOKED AT", "ADDED"), rows)


def to_publish(domain: Json) -> Text:
    """Lays out the records that the customer must publish, with names as the zone's panel wants them."""
    rows = [
        (
            record["recordName"],
            record["recordType"],
            str(record.get("priority", "-")),
            "yes" if record.get("required", True) else "no",
            record["recordValue"],
        )
        for record in domain["verificationRecords"].values()
    ]
    zone = _zone(domain)
    text = Text(f"Publish these in the zone {visible(zone)}; {domain['sender']} turns SUCCESS by itself.\n\n")
    text.append_text(columns(("NAME", "TYPE", "PRIORITY", "REQUIRED", "VALUE"), rows))
    return text.append(f"\n\nAs zone-file text: letterhead domains show {domain['sender']} --zone-file")


def _zone(domain: Json) -> str:
    """Reads the zone off the records' names: each is given both in full and relative to it."""
    for record in domain["verificationRecords"].values():
        if record["recordName"] != "@":
            return str(record["host"]).removeprefix(record["recordName"] + ".")
    return str(domain["sender"])


def zone_text(domain: Json) -> str:
    """Writes the records to publish as lines of a zone file, with full names."""
    return "\n".join(
        zone_line(record["host"], record["recordType"], record["recordValue"], record.get("priority"))
        for record in domain["verificationRecords"].values()
    )


def change_of_keys(rotation: Json) -> Text:
    """Tells how far a change of DKIM keys is, and what to publish or to remove."""
    text = Text(rotation["sender"], style="bold").append("  ").append_text(word(rotation["step"]))
    text.append(f"  signs with {visible(rotation['selector'])}\n{visible(rotation['waitsFor'])}")
    if record := rotation.get("record"):
        row = (record["recordName"], record["recordType"], record["recordValue"])
        text.append("\n\n").append_text(columns(("NAME", "TYPE", "VALUE"), [row]))
    rows = [
        (
            old["host"],
            ago(old["replacedAt"]),
            "can be removed" if old["safeToRemove"] else f"can go {ago(old['safeToRemoveAt'])}",
        )
        for old in rotation["oldSelectors"]
    ]
    return text.append("\n\n").append_text(columns(("OLD RECORD", "REPLACED", ""), rows)) if rows else text


def preflight_text(found: Json) -> Text:
    """Tells what was read before anything is added, one thing a line."""
    spf, dmarc = found["spf"], found.get("dmarc")
    rows = [
        ("DNS host", found.get("dnsHost") or "not one that we know"),
        ("nameservers", ", ".join(found["nameservers"]) or "none seen"),
        *(("SPF", record) for record in spf.get("records", ())),
        *([("SPF to be", spf["merged"])] if "merged" in spf else []),
        ("MX", ", ".join(found["mx"]) or "none"),
        *(("CNAME", f"{each['host']} → {each['target']}") for each in found["cnames"]),
        ("DMARC", f"{dmarc['policy']}, by {dmarc['host']}: {dmarc['record']}" if dmarc else "none"),
        *(("any name", answer) for answer in found["wildcard"]),
        ("DNSSEC", found["dnssec"]),
        ("remembered", f"missing records, for {found['negativeTtl']} s" if "negativeTtl" in found else "not told"),
        ("MAIL FROM", found.get("mailFrom") or "no name that we tried is free"),
        *(("in use", name) for name in found["mailFromTaken"]),
        *(("not told", question) for question in found["silent"]),
    ]
    return columns((found["sender"], ""), rows)


def report(domain: Json) -> Text:
    """Tells how a domain stands: its state, each record's verdict, then each finding."""
    parts = [*_state(domain), verdicts(domain), *(finding(each) for each in domain.get("findings", ()))]
    return Text("\n\n").join(part for part in parts if part)


def _state(domain: Json) -> Iterator[Text]:
    if "status" not in domain:  # a look that changes nothing knows no state
        return
    line = Text(domain["sender"], style="bold").append("  ").append_text(word(domain["status"]))
    if mail_from := domain.get("mailFromDomainStatus"):
        line.append("  MAIL FROM ").append_text(word(mail_from))
    line.append("  may send" if domain.get("canSend") else "  may not send")
    if stops := domain.get("stopsSendingAt"):
        line.append(f", stops sending {ago(stops)}")
    if due := domain.get("nextCheckAt"):
        line.append(f"; looked at again {ago(due)}")
    yield line


def verdicts(domain: Json) -> Text:
    """Lays out how each planned record stands."""
    rows = [
        (
            word(record["verdict"]),
            record["recordType"],
            record["host"],
            " | ".join(record.get("observed", ())) or "-",
        )
        for record in _records(domain)
    ]
    return columns(("VERDICT", "TYPE", "NAME", "SEEN"), rows) if rows else Text("Not looked at yet.")


def _records(domain: Json) -> list[Json]:
    """Lists all records that were judged, those of keys that do not decide last."""
    next_key = [domain["nextKey"]] if "nextKey" in domain else []
    return [*domain.get("records", ()), *next_key, *domain.get("ed25519Keys", ())]


def finding(each: Json) -> Text:
    """Tells one finding as a compiler does: what and where, the offending text with a mark under it, what to do."""
    text = word(each["severity"]).append(f"[{each['code']}]", style="bold")
    text.append(f": {visible(each['title'])}\n")
    place = " ".join(part for part in (each.get("recordType"), each["host"]) if part)
    text.append("  --> ", style="blue").append(visible(place)).append("\n")
    for label, value, mark in _lines(each):
        text.append("   |  ", style="blue").append(f"{label}: " if label else "").append(value + "\n")
        if mark is not None:
            start, length = mark
            text.append("   |  ", style="blue").append(" " * (start + len(label) + 2))
            text.append("^" * length, style="bold red").append("\n")
    return text.append("   = fix: ", style="bold blue").append(visible(each["fix"]))


Line = tuple[str, str, tuple[int, int] | None]


def _lines(each: Json) -> Iterator[Line]:
    """Gives each line with its label, and where a mark belongs under it."""
    yield "", visible(each["detail"]), None
    seen = each.get("observed", ())
    if seen and (expected := each.get("expected")):  # where nothing was seen, the fix alone says what to publish
        yield "expected", visible(expected), None
    for at, value in enumerate(seen):
        span = each.get("span") if at == 0 else None
        yield ("seen", visible(value), None) if span is None else ("seen", *_marked(value, *span))
    for server in each.get("perspectives", ()):
        yield "by", visible(server), None
    for said in each.get("evidence", ()):
        yield "evidence", visible(said), None


def _marked(text: str, start: int, end: int) -> tuple[str, tuple[int, int]]:
    """Cuts out of a long text what is marked, with what stands around it."""
    before, part, after = text[:start], text[start:end], text[end:]
    if len(text) > WIDTH:
        before = f"…{before[-AROUND:]}" if len(before) > AROUND else before
        part = f"{part[: WIDTH - AROUND]}…" if len(part) > WIDTH - AROUND else part
        after = f"{after[:AROUND]}…" if len(after) > AROUND else after
    left, middle = visible(before), visible(part)
    return left + middle + visible(after), (len(left), max(1, len(middle)))
