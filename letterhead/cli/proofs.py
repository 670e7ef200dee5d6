"""Proofs for `letterhead domains proof`: the request, the text on a terminal, the exit code."""

import base64
import time
from collections.abc import Mapping
from pathlib import Path

from rich.text import Text

from letterhead.cli.client import Api, decode_json, path_of
from letterhead.cli.exit_codes import Exit
from letterhead.cli.report import FIX, GUTTER, ApiObject
from letterhead.cli.tables import columns, styled, visible, waiting, wrap
from letterhead.cli.wording import command_words
from letterhead.errors import Fault, Kind

EVERY = 5.0  # seconds between two requests for the state
LARGEST = 47 * 1024  # octets, so that the request has at most 64 KB in any encoding
STYLES = {
    "pass": "bold green", "delivered": "green",
    "fail": "bold red", "permerror": "bold red", "rejected": "bold red", "policy": "bold red",
}  # fmt: skip
BAD = ("fail", "permerror")


def source(path: Path) -> dict[str, object]:
    """Return a message's source for the request: as text where it is UTF-8, as base64 otherwise.

    Fault `config-invalid` where the file can't be read or is larger than `LARGEST`.
    """
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
    if "\0" not in text:  # which the API refuses in JSON
        return {"raw": text}
    return {"raw": base64.b64encode(octets).decode(), "encoding": "base64"}


def ask_for_proof(api: Api, sender: str, body: Mapping[str, object], seconds: float) -> bytes:
    """Request a proof; for one that is sent by mail, wait up to `seconds` for its verdict. Return the last response."""
    answer = api.call("POST", path_of("domains", sender, "proof"), body or None)
    until = time.monotonic() + seconds
    proof = decode_json(answer)
    with waiting("Waiting for the message to arrive"):
        while proof["status"] != "judged" and _can_be_asked(proof) and time.monotonic() + EVERY < until:
            time.sleep(EVERY)
            answer = api.call("GET", path_of("domains", sender, "proof", proof["id"]))
            proof = decode_json(answer)
    return answer


def _can_be_asked(proof: ApiObject) -> bool:
    """Whether the service itself looks for the message, and will know its verdict."""
    return "GET " in proof.get("next", "")


def exit_of(proof: ApiObject) -> Exit:
    """Return the exit code: good where DMARC passes for the domain itself, or where a person opens what was sent."""
    if proof["status"] != "judged":
        return Exit.NOT_SEEN if _can_be_asked(proof) else Exit.OK
    dmarc = proof["verdict"]["dmarc"]
    if dmarc["result"] == "temperror":
        return Exit.NOT_SEEN
    good = dmarc["result"] not in BAD and dmarc.get("fromDomain") == proof["sender"]
    return Exit.OK if good else Exit.NOT_GOOD


def report(proof: ApiObject, width: int | None = None) -> Text:
    """Lay out a proof: DMARC's verdict, then each part with its fix, then the envelope."""
    if proof["status"] != "judged":
        text = styled(proof["sender"], "bold").append(f"  {proof['status']}, to {visible(proof['to'])}\n")
        return text.append(f"id {visible(proof['id'])}\n{visible(command_words(proof['next']))}")
    verdict = proof["verdict"]
    dmarc, envelope = verdict["dmarc"], verdict["envelope"]
    head = styled(proof["sender"], "bold").append("  DMARC ").append_text(_colour_result(dmarc["result"]))
    head.append(": the message is ").append_text(_colour_result(dmarc["outcome"]))
    rows = [
        ("from address", envelope.get("clientIp", "not known"), envelope["clientIpFrom"]),
        ("MAIL FROM", envelope.get("mailFrom", "not known") or "<>", envelope["mailFromFrom"]),
    ]
    if "received" in envelope:
        rows.append(("Received", envelope["received"], ""))
    lines = [head]
    if not verdict["dkim"]:
        lines.append(_part("DKIM", {"result": "none", "why": "The message has no signature."}, "", width))
    for each in verdict["dkim"]:
        where = f"d={each.get('domain', '?')} s={each.get('selector', '?')} {each.get('algorithm', '')}".rstrip()
        bits = f", {each['keyBits']} bits" if "keyBits" in each else ""
        lines.append(_part("DKIM", each, f"{where}{bits}{_alignment(each)}", width))
    spf = verdict["spf"]
    where = f"{spf['identity']} {spf.get('domain', '?')}, {spf['lookups']} of 10 lookups{_alignment(spf)}"
    lines.append(_part("SPF", spf, where, width))
    policy = f"{dmarc['policy']}, by {dmarc['host']}: {dmarc['record']}" if "policy" in dmarc else "no policy"
    lines.append(_part("DMARC", dmarc, f"From {dmarc.get('fromDomain', '?')}, {policy}", width))
    lines.append(columns(("HOW IT CAME", "", "KNOWN FROM"), rows, width=width))
    lines += [Text(f"note: {visible(note)}", style="yellow") for note in verdict["notes"]]
    return Text("\n\n").join(lines)


def _colour_result(text: str) -> Text:
    return styled(text, STYLES.get(text, "yellow"))


def _alignment(part: ApiObject) -> str:
    return {True: ", aligned", False: ", not aligned"}.get(part.get("aligned", ""), "")


def _part(name: str, part: ApiObject, where: str, width: int | None) -> Text:
    text = styled(f"{name} ", "bold").append_text(_colour_result(part["result"]))
    if "code" in part:
        text.append(f" [{visible(part['code'])}]", style="bold")
    for said in filter(None, (where, part["why"])):
        for line in wrap(visible(said), None if width is None else width - len(GUTTER)):
            text.append(f"\n{GUTTER}", style="blue").append(line)
    if "fix" in part:
        lines = wrap(visible(part["fix"]), None if width is None else width - len(FIX))
        text.append(f"\n{FIX}", style="bold blue").append(f"\n{' ' * len(FIX)}".join(lines))
    return text
