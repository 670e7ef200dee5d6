"""Domains as text for a terminal: the list, the records to publish, verdicts and findings in the form of a compiler."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.text import Text

from letterhead.cli.tables import ago, colour_text, columns, visible
from letterhead.core.dns.records import zone_line

ApiObject = Mapping[str, Any]  # an object of the API
WIDTH = 100  # characters of a long text that are shown where a part of it is marked
AROUND = 30


def list_text(domains: Sequence[ApiObject]) -> Text:
    """Lay out the account's domains, one on a line."""
    rows = [
        (
            domain["sender"],
            colour_text(domain["status"]),
            colour_text(domain.get("mailFromDomainStatus", "-")),
            domain["selector"],
            ago(domain["lastSync"]),
            ago(domain["createdAt"]),
        )
        for domain in domains
    ]
    return columns(("DOMAIN", "STATUS", "MAIL FROM", "SELECTOR", "LOOKED AT", "ADDED"), rows)


def to_publish(domain: ApiObject) -> Text:
    """Lay out the records that the customer must publish, with names relative to the zone."""
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
    # Each record's name is there in full and relative to the zone.
    relative = (each for each in domain["verificationRecords"].values() if each["recordName"] != "@")
    zones = (each["host"].removeprefix(each["recordName"] + ".") for each in relative)
    zone = next(zones, domain["sender"])
    text = Text(f"Publish these in the zone {visible(zone)}; {domain['sender']} turns SUCCESS by itself.\n\n")
    text.append_text(columns(("NAME", "TYPE", "PRIORITY", "REQUIRED", "VALUE"), rows))
    return text.append(f"\n\nAs zone-file text: letterhead domains show {domain['sender']} --zone-file")


def zone_text(domain: ApiObject) -> str:
    """Return the records to publish as lines of a zone file, with full names."""
    return "\n".join(
        zone_line(record["host"], record["recordType"], record["recordValue"], record.get("priority"))
        for record in domain["verificationRecords"].values()
    )


def change_of_keys(rotation: ApiObject) -> Text:
    """Lay out a key rotation: its step, the record to publish, the old records and when they can go."""
    text = Text(rotation["sender"], style="bold").append("  ").append_text(colour_text(rotation["step"]))
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


def preflight_text(found: ApiObject) -> Text:
    """Lay out what DNS holds before the domain is added."""
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


def report(domain: ApiObject) -> Text:
    """Lay out a domain: its state, each record's verdict, then each finding."""
    parts = [verdicts(domain), *(finding(each) for each in domain.get("findings", ()))]
    if "status" in domain:  # a dry run has no state
        state = Text(domain["sender"], style="bold").append("  ").append_text(colour_text(domain["status"]))
        if mail_from := domain.get("mailFromDomainStatus"):
            state.append("  MAIL FROM ").append_text(colour_text(mail_from))
        state.append("  may send" if domain.get("canSend") else "  may not send")
        if far := domain.get("progress"):
            state.append(f"  {far['published']} of {far['planned']} records published")
        if stops := domain.get("stopsSendingAt"):
            state.append(f", stops sending {ago(stops)}")
        if due := domain.get("nextCheckAt"):
            state.append(f"; looked at again {ago(due)}")
        if "lastCheckAge" in domain:
            again = ago(domain["checkableAt"])
            state.append(
                f"\nNot looked at anew: this look is {domain['lastCheckAge']} s old, the next can be made {again}."
            )
        parts.insert(0, state)
    return Text("\n\n").join(part for part in parts if part)


def verdicts(domain: ApiObject) -> Text:
    """Lay out each record's verdict; the next key and the Ed25519 keys, which do not decide, are last."""
    next_key = [domain["nextKey"]] if "nextKey" in domain else []
    records = [*domain.get("records", ()), *next_key, *domain.get("ed25519Keys", ())]
    rows = [
        (
            colour_text(record["verdict"]),
            record["recordType"],
            record["host"],
            " | ".join(record.get("observed", ())) or "-",
        )
        for record in records
    ]
    return columns(("VERDICT", "TYPE", "NAME", "SEEN"), rows) if rows else Text("Not looked at yet.")


def finding(each: ApiObject) -> Text:
    """Lay out one finding in the form of a compiler: title, place, the wrong text with a mark below it, the fix."""
    text = colour_text(each["severity"]).append(f"[{each['code']}]", style="bold")
    text.append(f": {visible(each['title'])}\n")
    place = " ".join(part for part in (each.get("recordType"), each["host"]) if part)
    text.append("  --> ", style="blue").append(visible(place)).append("\n")
    lines: list[tuple[str, str, tuple[int, int] | None]] = [("", visible(each["detail"]), None)]
    seen = each.get("observed", ())
    if seen and (expected := each.get("expected")):  # where nothing was seen, the fix alone says what to publish
        lines.append(("expected", visible(expected), None))
    for at, value in enumerate(seen):
        span = each.get("span") if at == 0 else None
        lines.append(("seen", visible(value), None) if span is None else ("seen", *_excerpt(value, *span)))
    lines += [("since", ago(each["since"]), None)] if "since" in each else []
    lines += [("by", visible(server), None) for server in each.get("perspectives", ())]
    lines += [("evidence", visible(said), None) for said in each.get("evidence", ())]
    for label, shown, mark in lines:
        text.append("   |  ", style="blue").append(f"{label}: " if label else "").append(shown + "\n")
        if mark is not None:
            start, length = mark
            text.append("   |  ", style="blue").append(" " * (start + len(label) + 2))
            text.append("^" * length, style="bold red").append("\n")
    return text.append("   = fix: ", style="bold blue").append(visible(each["fix"]))


def _excerpt(text: str, start: int, end: int) -> tuple[str, tuple[int, int]]:
    """Return the marked part of a long text with `AROUND` characters on each side, and where the mark is in that."""
    before, part, after = text[:start], text[start:end], text[end:]
    if len(text) > WIDTH:
        before = f"…{before[-AROUND:]}" if len(before) > AROUND else before
        part = f"{part[: WIDTH - AROUND]}…" if len(part) > WIDTH - AROUND else part
        after = f"{after[:AROUND]}…" if len(after) > AROUND else after
    left, middle = visible(before), visible(part)
    return left + middle + visible(after), (len(left), max(1, len(middle)))
