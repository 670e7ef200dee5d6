"""Domains as text for a terminal: the list, the records to publish, verdicts and findings in the form of a compiler."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from letterhead.cli.tables import Cell, ago, colour_text, columns, cut, styled, timestamp, visible, wrap
from letterhead.core.dns.records import zone_line

ApiObject = Mapping[str, Any]  # an object of the API
WIDTH = 100  # characters of a long text that are shown where a part of it is marked
AROUND = 30
GUTTER, FIX = "   |  ", "   = fix: "
VALUE_LINES = 3  # of a long value at a terminal
RECORDS_HEADER = ("VERDICT", "TYPE", "NAME", "SEEN")
NO_DOMAINS = "No domains. Add the first one with: letterhead domains add acme.dev"
LIST_HEADER = ("DOMAIN", "STATUS", "MAIL FROM", "SELECTOR", "LOOKED AT", "ADDED")


def list_rows(domains: Sequence[ApiObject]) -> list[Sequence[Cell]]:
    """Return a row for each of the account's domains."""
    return [
        (
            domain["sender"],
            colour_text(domain["status"]),
            colour_text(status) if (status := domain.get("mailFromDomainStatus")) else None,
            domain["selector"],
            timestamp(domain["lastSync"]),
            timestamp(domain["createdAt"]),
        )
        for domain in domains
    ]


def to_publish(domain: ApiObject, width: int | None = None) -> Text:
    """Lay out the records that the customer must publish, with names relative to the zone.

    Values are to be copied, so they are never cut: where they do not fit, each has a line of its own, from its start.
    """
    records = domain["verificationRecords"].values()
    rows = [
        (
            record["recordName"],
            record["recordType"],
            str(record.get("priority", "-")),
            "yes" if record.get("required", True) else "no",
            record["recordValue"],
        )
        for record in records
    ]
    # Each record's name is there in full and relative to the zone.
    relative = (each for each in records if each["recordName"] != "@")
    zones = (each["host"].removeprefix(each["recordName"] + ".") for each in relative)
    zone = next(zones, domain["sender"])
    text = Text(f"Publish these in the zone {visible(zone)}; {domain['sender']} turns SUCCESS by itself.\n\n")
    table = columns(("NAME", "TYPE", "PRIORITY", "REQUIRED", "VALUE"), rows)
    if width is not None and any(len(line) > width for line in table.plain.splitlines()):
        text.append_text(columns(("NAME", "TYPE", "PRIORITY", "REQUIRED"), [row[:-1] for row in rows]))
        for name, *_, value in rows:
            text.append("\n\n").append_text(styled(f"Value of {name}", "bold")).append(f"\n{visible(value)}")
    else:
        text.append_text(table)
    return text.append(f"\n\nAs zone-file text: letterhead domains show {domain['sender']} --zone-file")


def zone_text(domain: ApiObject) -> str:
    """Return the records to publish as lines of a zone file, with full names."""
    return "\n".join(
        zone_line(record["host"], record["recordType"], record["recordValue"], record.get("priority"))
        for record in domain["verificationRecords"].values()
    )


def change_of_keys(rotation: ApiObject) -> Text:
    """Lay out a key rotation: its step, the record to publish, the old records and when they can go."""
    text = styled(rotation["sender"], "bold").append("  ").append_text(colour_text(rotation["step"]))
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


def preflight_text(found: ApiObject, width: int | None = None) -> Text:
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
    return columns((found["sender"], ""), rows, width=width)


def report(domain: ApiObject, width: int | None = None) -> Text:
    """Lay out a domain: its state, each record's verdict, then each finding; within the width of a terminal."""
    found = domain.get("findings", ())
    parts = [verdicts(domain, width), *(finding(each, width) for each in found if "accepted" not in each)]
    parts += [_accepted(each, width) for each in found if "accepted" in each]
    if "status" in domain:  # a dry run has no state
        state = styled(domain["sender"], "bold").append("  ").append_text(colour_text(domain["status"]))
        if mail_from := domain.get("mailFromDomainStatus"):
            state.append("  MAIL FROM ").append_text(colour_text(mail_from))
        if far := domain.get("progress"):
            state.append("".join(f"\n{line}" for line in wrap(far["sentence"], width)))
        if stops := domain.get("stopsSendingAt"):
            state.append(f"\nsending stops {ago(stops)}")
        if due := domain.get("nextCheckAt"):
            state.append("; " if "stopsSendingAt" in domain else "\n").append(f"looked at again {ago(due)}")
        if "lastCheckAge" in domain:
            again = ago(domain["checkableAt"])
            state.append(
                f"\nNot looked at anew: this look is {domain['lastCheckAge']} s old, the next can be made {again}."
            )
        for name, value in _kept(domain):
            state.append(f"\n{name}: ").append("\n  ".join(map(visible, value.splitlines())))
        parts.insert(0, state)
    return Text("\n\n").join(part for part in parts if part)


def _kept(domain: ApiObject) -> Iterator[tuple[str, str]]:
    """Yield what the account keeps about a domain."""
    if labels := domain.get("labels"):
        yield "labels", ", ".join(f"{key}:{value}" for key, value in labels.items())
    if contact := domain.get("contact"):
        state = {"waiting": "not confirmed yet", "ended": "has ended its mails"}.get(contact["state"], contact["state"])
        copied = "" if contact["copyAccount"] else ", no copy for the account"
        language = "" if contact["language"] == "en" else f", language {contact['language']}"
        yield "contact", f"{contact['email']} ({state}{copied}{language})"
    if note := domain.get("note"):
        yield "note", note


def verdicts(domain: ApiObject, width: int | None = None) -> Text:
    """Lay out each record's verdict; the next key and the Ed25519 keys, which do not decide, are last.

    What is missing and not required is no alarm: `optional`; a key that takes over later is `awaited`. SPF of the
    domain itself is in no plan: it has a row where findings judged it.
    """
    rows = record_rows(domain)
    return columns(RECORDS_HEADER, rows, width=width) if rows else Text("Not looked at yet.")


def record_rows(domain: ApiObject) -> list[Sequence[Cell]]:
    """Return a row for each record: its verdict, type, name and what was seen."""
    next_key = [domain["nextKey"]] if "nextKey" in domain else []
    rows: list[Sequence[Cell]] = [(_verdict(record, "optional"), *_row(record)) for record in domain.get("records", ())]
    judged = [
        each
        for each in domain.get("findings", ())
        if each["code"].startswith("spf.") and each["host"] == domain.get("sender") and each.get("observed")
    ]
    if judged and not any(record.get("id") == "spf" for record in domain.get("records", ())):
        severe = any(each["severity"] in ("blocking", "warning") for each in judged if "accepted" not in each)
        seen = " | ".join(dict.fromkeys(text for each in judged for text in each["observed"]))
        rows.append((styled("present", "yellow" if severe else "green"), "TXT", domain["sender"], seen))
    rows += [(_verdict(record, "awaited"), *_row(record)) for record in (*next_key, *domain.get("ed25519Keys", ()))]
    return rows


def _verdict(record: ApiObject, if_missing: str) -> Text:
    calm = record["verdict"] == "absent" and (if_missing == "awaited" or not record.get("required", True))
    return colour_text(if_missing if calm else record["verdict"])


def _row(record: ApiObject) -> tuple[str, str, str | None]:
    return record["recordType"], record["host"], " | ".join(record.get("observed", ())) or None


def finding(each: ApiObject, width: int | None = None) -> Text:
    """Lay out one finding in the form of a compiler: title, place, the wrong text with a mark below it, the fix.

    Only the severity has a colour; a line that does not fit goes on below its own beginning.
    """
    head = f"[{each['code']}]: {visible(each['title'])}"
    first, *more = wrap(f"{each['severity']}{head}", width)
    text = colour_text(each["severity"]).append(first.removeprefix(each["severity"]), style="bold")
    text.append("".join(f"\n{line}" for line in more), style="bold").append("\n")
    place = " ".join(part for part in (each.get("recordType"), each["host"]) if part)
    text.append("  --> ", style="blue").append(visible(place)).append("\n")
    _append_lines(text, "", visible(each["detail"]), width)
    seen = each.get("observed", ())
    if seen and (expected := each.get("expected")):  # where nothing was seen, the fix alone says what to publish
        _append_lines(text, "expected: ", visible(expected), width, most=VALUE_LINES)
    for at, value in enumerate(seen):
        span = each.get("span") if at == 0 else None
        if span is None:
            _append_lines(text, "seen: ", visible(value), width, most=VALUE_LINES)
        else:
            _append_marked(text, value, span, width)
    others = [("since: ", ago(each["since"]))] if "since" in each else []
    others += [("by: ", visible(server)) for server in each.get("perspectives", ())]
    others += [("evidence: ", visible(said)) for said in each.get("evidence", ())]
    for label, shown in others:
        _append_lines(text, label, shown, width)
    room = None if width is None else width - len(FIX)
    return text.append(FIX, style="bold blue").append(f"\n{' ' * len(FIX)}".join(wrap(visible(each["fix"]), room)))


def _accepted(each: ApiObject, width: int | None) -> Text:
    """Lay out a finding that is accepted, without colour: its title, who accepted it until when, and why."""
    given = each["accepted"]
    text = Text("\n".join(wrap(f"accepted[{each['code']}]: {visible(each['title'])}", width)), style="dim")
    text.append("\n")
    _append_lines(
        text, "", f"until {timestamp(given['until'])}, by {visible(given['by'])}: {visible(given['reason'])}", width
    )
    return Text(text.plain.rstrip("\n"), style="dim")


def _append_lines(text: Text, label: str, shown: str, width: int | None, most: int | None = None) -> None:
    """Append a text behind the gutter, with at most so many lines at a terminal."""
    room = None if width is None else width - len(GUTTER) - len(label)
    lines = wrap(shown, room)
    if most is not None and len(lines) > most:
        lines = [*lines[: most - 1], cut("".join(lines[most - 1 :]), room)]
    for at, line in enumerate(lines):
        text.append(GUTTER, style="blue").append(label if at == 0 else " " * len(label)).append(f"{line}\n")


def _append_marked(text: Text, value: str, span: Sequence[int], width: int | None) -> None:
    """Append what was seen, with a mark below the wrong part."""
    label = "seen: "
    most = WIDTH if width is None else min(WIDTH, max(3 * AROUND, width - len(GUTTER) - len(label) - 3))
    shown, (start, length) = _excerpt(value, span[0], span[1], most)
    text.append(GUTTER, style="blue").append(f"{label}{shown}\n")
    text.append(GUTTER, style="blue").append(" " * (start + len(label)))
    text.append("^" * length, style="bold red").append("\n")


def _excerpt(text: str, start: int, end: int, most: int) -> tuple[str, tuple[int, int]]:
    """Return the marked part of a long text with what fits on each side, and where the mark is in that."""
    before, part, after = text[:start], text[start:end], text[end:]
    if len(text) > most:
        around = AROUND if most == WIDTH else max(8, (most - len(part)) // 2)
        part = f"{part[: most - 2 * 8]}…" if len(part) > most - 2 * 8 else part
        before = f"…{before[-around:]}" if len(before) > around else before
        after = f"{after[:around]}…" if len(after) > around else after
    left, middle = visible(before), visible(part)
    return left + middle + visible(after), (len(left), max(1, len(middle)))
