"""The command that waits until a domain is ready: progress for people, exit codes for scripts."""

import re
import sys
import time
from typing import Any, Final, Literal

from letterhead.cli import domain_checks, report
from letterhead.cli.client import Api, account_key, decode_json, domain_text, path_of
from letterhead.cli.exit_codes import ApiRefused, Exit
from letterhead.cli.keys import AsJson
from letterhead.cli.tables import console, visible
from letterhead.errors import Fault, Kind

Goal = Literal["verified", "can-send", "mail-from"]
HOLD: Final = 25  # seconds for which the server holds one request: proxies often end one after 30 or 60
PAUSE: Final = 2.0  # seconds between two attempts to reach a server that restarts
PASSING: Final = {"storage-unavailable", "too-many-requests", "http-502", "http-503", "http-504"}
_SPAN: Final = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s?)?")


def wait(
    sender: str,
    /,
    *,
    until: Goal = "verified",
    timeout: str = "20m",
    as_json: AsJson = False,
) -> Exit:
    """Wait until a domain is ready. Exits with 0 once it is, with 1 or 5 when the time is over.

    When the time is over, stderr has what was found: 5 where DNS did not say enough, 1 otherwise.

    Parameters
    ----------
    sender
        The domain.
    until
        verified: its DKIM key is confirmed; can-send: it may send; mail-from: its MAIL FROM domain is confirmed.
    timeout
        How long to wait at most, such as 90s, 20m or 1h30m.
    as_json
        Print the domain as the API shows it at the end, and progress on stderr.
    """
    ends, path, shown = time.monotonic() + parse_span(timeout), path_of("domains", sender), ""
    with Api(account_key()) as api:
        # The first answer comes at once, and shows whether there is such a server, key and domain.
        answer, tag = api.call_if_changed(path, {}, None)
        while True:
            domain: dict[str, Any] = decode_json(answer or b"")
            if (line := _line(domain)) != shown:
                shown = line
                console(stderr=as_json).print(f"{time.strftime('%H:%M:%S')}  {line}")
                sys.stdout.flush()
            exit_code = _exit_of(domain, until)
            if exit_code is None and time.monotonic() >= ends:
                exit_code = Exit.NOT_GOOD if domain_checks.has_fault(domain) else Exit.NOT_SEEN
            if exit_code is not None:
                break
            changed, tag = _wait_for_change(api, path, tag, ends)
            answer = changed or answer
    if as_json and answer is not None:
        print(domain_text(answer))
    if exit_code is not Exit.OK:
        _explain(domain, until, timeout)
    return exit_code


def _wait_for_change(api: Api, path: str, tag: str | None, ends: float) -> tuple[bytes | None, str | None]:
    """Return the domain and its ETag once it changes, or no domain after a while; wait for a server that restarts."""
    is_told = False
    while True:
        left, began = ends - time.monotonic(), time.monotonic()
        try:
            changed, tag = api.call_if_changed(path, {"wait": str(max(0, min(HOLD, int(left))))}, tag)
        except (Fault, ApiRefused) as error:
            if not is_passing(error) or left <= 0:
                raise
            if not is_told:
                busy = isinstance(error, ApiRefused) and error.code == "too-many-requests"
                why = "The server has too many requests of this account" if busy else "The server does not answer now"
                console(stderr=True).print(f"{why}; trying again.")
            is_told = True
        else:
            if changed is not None or left <= 0 or began + 1 < time.monotonic():
                return changed, tag
        # The server does not answer, or does not wait: it is about to stop, or an older one.
        time.sleep(max(0.0, min(PAUSE, left)))


def parse_span(text: str) -> int:
    """Return a span of time in seconds; Fault `config-invalid`."""
    found = _SPAN.fullmatch(text.strip())
    if not text.strip() or found is None:
        detail = f"--timeout {text!r} is no span of time."
        raise Fault(Kind.CONFIG_INVALID, detail, "Write it like 90s, 20m or 1h30m.")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 3600 * hours + 60 * minutes + seconds


def is_passing(error: Fault | ApiRefused) -> bool:
    """Whether a failure may pass by itself: the server restarts, is busy, or has no database for a moment."""
    return error.kind is Kind.UNREACHABLE if isinstance(error, Fault) else error.code in PASSING


def _line(domain: dict[str, Any]) -> str:
    mail_from = domain.get("mailFromDomainStatus")
    states = domain["status"] + (f", MAIL FROM {mail_from}" if mail_from else "")
    return visible(f"{domain['sender']}  {states}  {domain['progress']['sentence']}")


def _exit_of(domain: dict[str, Any], until: Goal) -> Exit | None:
    """Return the exit code where it is decided already; Fault `config-invalid` for what can never come."""
    if until == "mail-from" and "mailFrom" not in domain:
        detail = f"{domain['sender']} has no MAIL FROM domain, so none can be waited for."
        raise Fault(Kind.CONFIG_INVALID, detail, "Wait with --until verified or --until can-send.")
    reached = {
        "verified": domain["status"] == "SUCCESS",
        "can-send": domain["canSend"],
        "mail-from": domain.get("mailFromDomainStatus") == "SUCCESS",
    }
    if reached[until]:
        return Exit.OK
    return Exit.NOT_GOOD if domain["status"] == "NOT_STARTED" else None


def _explain(domain: dict[str, Any], until: Goal, timeout: str) -> None:
    """Print on stderr why the domain is not ready, and what to do."""
    sender, printer = visible(domain["sender"]), console(stderr=True)
    if domain["status"] == "NOT_STARTED":
        printer.print(
            f"Verification of {sender} is not started, so nothing will change: letterhead domains start {sender}"
        )
        return
    printer.print(f"{sender} did not reach {until} within {timeout}: {visible(domain['progress']['sentence'])}.")
    if reason := domain["provider"].get("reason"):
        printer.print(f"The mail provider says: {visible(reason)}")
    for each in domain["findings"]:
        if "accepted" not in each and each["severity"] in ("blocking", "inconclusive"):
            printer.print(report.finding(each))
