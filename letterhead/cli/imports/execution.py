"""The plan of an import, shown and carried out: the same for every source.

The plan is made here, where the keys are: the server gets a key only together with the domain that it is for.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from cyclopts import Parameter
from msgspec.structs import replace

from letterhead.cli.client import Api, account_key, decode_json, path_of, refuse_clear_text
from letterhead.cli.domain_checks import ask_for_each
from letterhead.cli.exit_codes import Exit
from letterhead.cli.tables import columns, console, styled, terminal_width, waiting
from letterhead.cli.wording import command_words
from letterhead.core.imports.found import FoundDomain, FoundDomains, FoundKey, UnreadEntry, is_ed25519
from letterhead.core.imports.plan import ImportAction, KeyReading, PlannedImport, plan_imports, record_host
from letterhead.core.names.domain_names import parse_anywhere
from letterhead.core.secret import reveal
from letterhead.errors import Fault, Kind

AT_ONCE: Final = 12  # domains of one request: with keys of 4096 bits it stays under 64 KB
HEADER: Final = ("", "DOMAIN", "SELECTOR", "WHY")
SHOWN: Final = 20  # entries of a source that were not read

PlanOnly = Annotated[bool, Parameter(negative="", help="Show what would be done, and do nothing.")]
OnlyDomains = Annotated[
    tuple[str, ...],
    Parameter(name="--domain", negative="", show_default=False, help="Import this domain alone; may be repeated."),
]
MailFromLabel = Annotated[
    str | None, Parameter(help="The first label of the MAIL FROM domain, in place of the one that the server takes.")
]

_STYLES: Final = {
    ImportAction.ADD_WITH_KEY: "green",
    ImportAction.ADD: "green",
    ImportAction.ADOPT: "green",
    ImportAction.WAIT: "yellow",
    ImportAction.KEEP: "dim",
    ImportAction.REFUSE: "bold red",
    ImportAction.FAILED: "bold red",
}
ADDS: Final = (ImportAction.ADD_WITH_KEY, ImportAction.ADD)
TO_DO: Final = (*ADDS, ImportAction.ADOPT)
NOT_GOOD: Final = (ImportAction.REFUSE, ImportAction.FAILED)


def run_import(found: FoundDomains, only: Sequence[str], mail_from: str | None, *, plan: bool, as_json: bool) -> Exit:
    """Plan the import of what was found, carry it out unless only the plan is wanted, and print it."""
    domains = choose_domains(found.domains, only)
    with Api(account_key()) as api:
        listed: list[dict[str, Any]] = decode_json(api.call("GET", path_of("domains")))
        present = {each["sender"]: str(each["selector"]) for each in listed}
        missing = [each for each in domains if each.sender not in present]
        with waiting("Reading the keys, and asking DNS for their records"):
            readings = {each.sender: [read_found_key(key) for key in each.keys] for each in domains}
            published = read_published(missing)
        planned = plan_imports(domains, readings, published, present)
        returns = {each.sender: each.mail_from for each in domains}
        planned = [place_mail_from(each, mail_from, returns.get(each.sender)) for each in planned]
        if not plan:
            if any(each.private_key for each in planned):
                refuse_clear_text("The private keys", "nothing was imported")
            planned = add_planned(api, planned, returns)
    print_imports(planned, found.unread, as_json=as_json, is_plan=plan)
    return exit_of(planned, is_plan=plan)


def choose_domains(found: Sequence[FoundDomain], only: Sequence[str]) -> list[FoundDomain]:
    """Return the domains that were named, or all; Fault `config-invalid` for one that the source does not have."""
    wanted = {parse_anywhere(each).ascii for each in only}
    if unknown := wanted - {each.sender for each in found}:
        detail = f"The source does not sign for {', '.join(sorted(unknown))}."
        raise Fault(Kind.CONFIG_INVALID, detail, "See what it has: run the command with --plan and without --domain.")
    return [each for each in found if not wanted or each.sender in wanted]


def read_found_key(key: FoundKey) -> KeyReading:
    """Return what a private key is, or what is wrong with it; no text shows a part of it."""
    from letterhead.wiring.keyring import read_key_pair

    if key.private_key is None:
        return KeyReading(problem=key.kept)
    if is_ed25519(key.private_key):
        return KeyReading(is_ed25519=True)
    try:
        pair = read_key_pair(reveal(key.private_key).decode("ascii"), is_in_use=True)
    except UnicodeDecodeError:
        return KeyReading(problem="is no PEM")
    except Fault as fault:
        return KeyReading(problem=fault.detail.removeprefix("What was sent as the private key ").rstrip("."))
    return KeyReading(public_key=pair.public_key)


def read_published(domains: Sequence[FoundDomain]) -> Mapping[str, Sequence[str] | None]:
    """Return the TXT records at the selectors of these domains, as this machine's DNS has them."""
    from letterhead.cli.check import dns_deps
    from letterhead.operations.imports import read_published_texts

    hosts = [record_host(each.sender, key.selector.lower()) for each in domains for key in each.keys if key.private_key]
    names = list(dict.fromkeys(hosts))
    return asyncio.run(read_published_texts(dns_deps().resolver, names)) if names else {}


def place_mail_from(planned: PlannedImport, label: str | None, theirs: str | None) -> PlannedImport:
    """Return a domain with the MAIL FROM that was chosen; refuse one that the source uses, whose records it needs."""
    if label is None or planned.action not in ADDS:
        return planned
    if theirs is not None and theirs in (label, f"{label}.{planned.sender}"):
        why = f"{theirs} takes the source's bounces: choose another label with --mail-from"
        return replace(planned, action=ImportAction.REFUSE, why=why)
    return replace(planned, mail_from=label)


def add_planned(api: Api, planned: Sequence[PlannedImport], returns: Mapping[str, str | None]) -> list[PlannedImport]:
    """Add the domains that are to be added, and return the plan with what came of each.

    `returns` are the MAIL FROM domains of the source: where the server takes the same, the domain fails.
    """
    done = list(planned)
    adding = {each.sender: at for at, each in enumerate(planned) if each.action in ADDS}
    results = ask_for_each(
        api, path_of("domains", "bulk"), list(adding), lambda sender: body_of(planned[adding[sender]]), AT_ONCE
    )
    for at, result in zip(adding.values(), results, strict=True):
        if (error := result.get("error")) is not None:
            said = command_words(" ".join([error["message"], *([error["fix"]] if error.get("fix") else [])]))
            done[at] = replace(planned[at], action=ImportAction.FAILED, why=f"{said} [{error['code']}]")
        elif (theirs := returns.get(planned[at].sender)) and theirs == mail_from_of(result["domain"]):
            why = (
                f"added, but {theirs} takes the source's bounces and would have to change: delete the domain, and "
                "import it with --mail-from"
            )
            done[at] = replace(planned[at], action=ImportAction.FAILED, why=why)
        else:
            why = f"added; {planned[at].why}" if planned[at].selector else "added: publish its records"
            done[at] = replace(planned[at], selector=str(result["domain"]["selector"]), why=why)
    return done


def mail_from_of(domain: Mapping[str, Any]) -> str | None:
    """Return the MAIL FROM domain of a domain of the API, where it has one."""
    host = domain["verificationRecords"].get("mail_from_mx", {}).get("host")
    return None if host is None else str(host)


def body_of(planned: PlannedImport) -> dict[str, object]:
    """Return the request that adds a domain."""
    body: dict[str, object] = {"sender": planned.sender}
    if planned.private_key is not None:
        body |= {"selector": planned.selector, "privateKey": reveal(planned.private_key).decode("ascii")}
    if planned.has_short_key:
        body["acceptShortKey"] = True
    return body if planned.mail_from is None else body | {"mailFrom": planned.mail_from}


def print_imports(
    planned: Sequence[PlannedImport], unread: Sequence[UnreadEntry], *, as_json: bool, is_plan: bool
) -> None:
    """Print what is to be done or was done, without any key; the domains that are here already, as a number alone."""
    if as_json:
        rows = [
            {"sender": each.sender, "action": each.action, "selector": each.selector, "why": each.why}
            for each in planned
        ]
        left = [{"place": each.place, "why": each.why} for each in unread]
        print(msgspec.json.encode({"domains": rows, "unread": left}).decode())
        return
    shown = [each for each in planned if each.action is not ImportAction.KEEP or each.why]
    if shown:
        table = [(styled(each.action, _STYLES[each.action]), each.sender, each.selector, each.why) for each in shown]
        console().print(columns(HEADER, table, width=terminal_width()))
    for entry in unread[:SHOWN]:
        console().print(f"Not read: {entry.place} {entry.why}.", highlight=False, markup=False)
    if len(unread) > SHOWN:
        console().print(f"… and {len(unread) - SHOWN} more; --json has all of them.")
    counts = [
        (sum(each.action in TO_DO for each in planned), "to do" if is_plan else "done"),
        (sum(each.action is ImportAction.KEEP for each in planned), "here already"),
        (sum(each.action is ImportAction.WAIT for each in planned), "waiting"),
        (sum(each.action is ImportAction.REFUSE for each in planned), "refused"),
        (sum(each.action is ImportAction.FAILED for each in planned), "failed"),
    ]
    parts = [f"{number} {word}" for number, word in counts if number] or ["Nothing found"]
    console().print(f"{', '.join(parts)}.")
    if any(each.action in ADDS and not each.private_key for each in planned) and not is_plan:
        console().print("The records to publish: letterhead domains records --all")


def exit_of(planned: Sequence[PlannedImport], *, is_plan: bool) -> Exit:
    """Return the exit code, as `apply` has it."""
    left = any(each.action in (*NOT_GOOD, *(TO_DO if is_plan else ())) for each in planned)
    return (Exit.DRIFT if is_plan else Exit.NOT_GOOD) if left else Exit.OK
