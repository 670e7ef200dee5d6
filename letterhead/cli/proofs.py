"""Knows how a proof reads on a terminal, which request makes one, and which exit code its verdict deserves."""

import base64
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from letterhead.cli.client import Api, decode_json, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.tables import columns, visible
from letterhead.errors import Fault, Kind

Json = Mapping[str, Any]
EVERY = 5.0  # seconds between two looks; the last one stands for so long
LARGEST = 47 * 1024  # octets, so that the request stays within 64 KB however it is written
STYLES = {
    "pass": "bold green", "delivered": "green",
    "fail": "bold red", "permerror": "bold red", "rejected": "bold red", "policy": "bold red",
}  # fmt: skip
BAD = ("fail", "permerror", "temperror")


def source(path: Path) -> dict[str, object]:
    """Reads a message's source for the request: as text where it is UTF-8, as base64 otherwise."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        fix = "Name the file that your mail program saved the message in (“show source”, “download original”)."
        raise Fault(Kind.CONFIG_INVALID, f"The message {path} can't be read: {error}.", fix) from error
    if len(octets) > LARGEST:
        fix = "Prove a small message: attachments change nothing of the verdict."
        raise Fault(Kind.CONFIG_INVALID, f"The message {path} has {len(octets)} octets, over {LARGEST}.", fix)
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = "\0"
    if "\0" not in text:  # which no JSON of ours may hold
        return {"raw": text}
    return {"raw": base64.b64encode(octets).decode(), "encoding": "base64"}


def ask_for_proof(api: Api, sender: str, body: Mapping[str, object], seconds: float) -> bytes:
    """Asks for a proof, and waits for one that was sent, where the service can find it."""
    answer = api.call("POST", path_of("domains", sender, "proof"), body or None)
    until = time.monotonic() + seconds
    told = decode_json(answer)
    while told["status"] != "judged" and "GET " in told.get("next", "") and time.monotonic() + EVERY < until:
        time.sleep(EVERY)
        answer = api.call("GET", path_of("domains", sender, "proof", told["id"]))
        told = decode_json(answer)
    return answer


def exit_of(told: Json) -> Exit:
    """Says by the exit code whether DMARC would let the message through as the domain's own."""
    if told["status"] != "judged":
        return Exit.OK
    dmarc = told["verdict"]["dmarc"]
    good = dmarc["result"] not in BAD and dmarc.get("fromDomain") == told["sender"]
    return Exit.OK if good else Exit.NOT_GOOD


def report(told: Json) -> Text:
    """Tells a proof: the verdict first, then each part with what to do."""
    if told["status"] != "judged":
        text = Text(told["sender"], style="bold").append(f"  {told['status']}, to {visible(told['to'])}\n")
        return text.append(f"id {visible(told['id'])}\n{visible(told['next'])}")
    verdict = told["verdict"]
    lines = [_head(told["sender"], verdict["dmarc"]), *_parts(verdict), _came(verdict["envelope"])]
    lines += [Text(f"note: {visible(note)}", style="yellow") for note in verdict["notes"]]
    return Text("\n\n").join(lines)


def _word(text: str) -> Text:
    return Text(visible(text), style=STYLES.get(text, "yellow"))


def _head(sender: str, dmarc: Json) -> Text:
    text = Text(sender, style="bold").append("  DMARC ").append_text(_word(dmarc["result"]))
    return text.append(": the message is ").append_text(_word(dmarc["outcome"]))


def _parts(verdict: Json) -> Iterator[Text]:
    if not verdict["dkim"]:
        yield _part("DKIM", {"result": "none", "why": "The message has no signature."}, "")
    for each in verdict["dkim"]:
        where = f"d={each.get('domain', '?')} s={each.get('selector', '?')} {each.get('algorithm', '')}".rstrip()
        bits = f", {each['keyBits']} bits" if "keyBits" in each else ""
        yield _part("DKIM", each, f"{where}{bits}{_alignment(each)}")
    spf = verdict["spf"]
    yield _part(
        "SPF", spf, f"{spf['identity']} {spf.get('domain', '?')}, {spf['lookups']} of 10 lookups{_alignment(spf)}"
    )
    dmarc = verdict["dmarc"]
    policy = f"{dmarc['policy']}, by {dmarc['host']}: {dmarc['record']}" if "policy" in dmarc else "no policy"
    yield _part("DMARC", dmarc, f"From {dmarc.get('fromDomain', '?')}, {policy}")


def _alignment(part: Json) -> str:
    return {True: ", aligned", False: ", not aligned"}.get(part.get("aligned", ""), "")


def _part(name: str, part: Json, where: str) -> Text:
    text = Text(f"{name} ", style="bold").append_text(_word(part["result"]))
    if "code" in part:
        text.append(f" [{visible(part['code'])}]", style="bold")
    for line in filter(None, (where, part["why"])):
        text.append("\n   |  ", style="blue").append(visible(line))
    if "fix" in part:
        text.append("\n   = fix: ", style="bold blue").append(visible(part["fix"]))
    return text


def _came(envelope: Json) -> Text:
    rows = [
        ("from address", envelope.get("clientIp", "not known"), envelope["clientIpFrom"]),
        ("MAIL FROM", envelope.get("mailFrom", "not known") or "<>", envelope["mailFromFrom"]),
    ]
    if "received" in envelope:
        rows.append(("Received", envelope["received"], ""))
    return columns(("HOW IT CAME", "", "KNOWN FROM"), rows)
