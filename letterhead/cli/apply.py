"""The command that brings the account's domains to a list that is kept in a file, and shows what differs."""

import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from cyclopts import Parameter

from letterhead.cli.client import Api, account_key, decode_json, path_of
from letterhead.cli.confirmation import Yes, is_confirmed
from letterhead.cli.domain_checks import ask_for_each
from letterhead.cli.exit_codes import ApiRefused, Exit, report_fault
from letterhead.cli.keys import AsJson
from letterhead.cli.tables import columns, console, styled, terminal_width
from letterhead.cli.wording import command_words
from letterhead.core.names.domain_names import parse_anywhere
from letterhead.errors import Fault, Kind

AT_ONCE: Final = 20  # domains of one request: new keys may have to be made for all of them
HEADER: Final = ("", "DOMAIN", "WHY")
SHOWN: Final = 20  # names in a question; the plan has them all
NOT_DELETED: Final = "not deleted, since another domain failed: mend that, and apply again"
OTHER_ACCOUNT: Final = (
    "Check that LETTERHEAD_API_KEY and LETTERHEAD_URL are of the account that this file is for. If they are, "
    "apply the file without --delete first."
)
FIX: Final = 'Write a table for each domain: [domains."acme.dev"], with mail-from, selector, delegated and start in it.'


class ListAction(StrEnum):
    """What is to be done about one domain, or why nothing is."""

    ADD = "add"
    START = "start"
    KEEP = "keep"
    DIFFERS = "differs"  # by what nobody can change of a domain that is there
    DELETE = "delete"
    EXTRA = "extra"  # not in the file, and left alone
    FAILED = "failed"


_STYLES: Final = {
    ListAction.ADD: "green",
    ListAction.START: "green",
    ListAction.KEEP: "dim",
    ListAction.DIFFERS: "yellow",
    ListAction.DELETE: "bold red",
    ListAction.EXTRA: "dim",
    ListAction.FAILED: "bold red",
}
_TO_DO: Final = (ListAction.ADD, ListAction.START, ListAction.DELETE)


class PlannedAction(NamedTuple):
    """One domain, what is to be done about it, and why."""

    sender: str
    action: ListAction
    why: str = ""


class Declaration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="kebab"):
    """One domain of the file; `selector` counts when it is added, and `start`, unless it is true, likewise."""

    mail_from: str | None = None
    selector: str | None = None
    delegated: bool = False
    start: bool | None = None

    def body(self, sender: str) -> dict[str, object]:
        """Return the request that adds the domain."""
        given = {"selector": self.selector, "mailFrom": self.mail_from}
        body: dict[str, object] = {"sender": sender, "startVerification": self.start is not False}
        body |= {name: each for name, each in given.items() if each is not None}
        return body | ({"dkimMode": "delegated"} if self.delegated else {})


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    domains: dict[str, Declaration]


def apply(
    file: Path,
    /,
    *,
    plan: Annotated[bool, Parameter(negative="")] = False,
    delete: Annotated[bool, Parameter(negative="")] = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> Exit:
    """Add the domains of a file that the account does not have, and show what differs. Done twice, it changes nothing.

    Exits with 0 where the account is as the file says. With --plan it changes nothing, and exits with 2 where something
    is to be done or differs. Otherwise it exits with 1 where something failed or still differs. A file that can't be
    read is 3.

    Parameters
    ----------
    file
        A TOML file with a table for each domain, [domains."acme.dev"]: mail-from, selector, delegated, start.
    plan
        Show what would be done, and do nothing.
    delete
        Delete the account's domains that the file does not have, after a question; without it they are left alone.
        Nothing is deleted where another domain failed, or where the account has none of the file's domains.
    """
    declared: Mapping[str, Declaration] | None = None
    try:
        declared = read_declarations(file)
        with Api(account_key()) as api:
            actions = plan_actions(declared, decode_json(api.call("GET", path_of("domains"))), delete=delete)
            lost = [each.sender for each in actions if each.action is ListAction.DELETE]
            if lost and all(each.action in (ListAction.DELETE, ListAction.ADD) for each in actions):
                detail = f"The account has {len(lost)} domains, and none of those in {file}, so none is deleted."
                raise Fault(Kind.CONFIG_INVALID, detail, OTHER_ACCOUNT)
            if not plan:
                if lost and not is_confirmed(loss_of(lost), yes=yes, word="delete"):
                    return Exit.NOT_GOOD
                actions = _carry_out(api, actions, declared)
    except Fault as fault:
        # Not 2, which says with --plan that something is to be done or differs.
        if fault.kind is Kind.CONFIG_INVALID and (plan or declared is None):
            report_fault(fault)
            return Exit.REFUSED
        raise
    _print_actions(actions, as_json=as_json, is_plan=plan)
    left = any(each.action in (ListAction.DIFFERS, ListAction.FAILED, *(_TO_DO if plan else ())) for each in actions)
    return (Exit.DRIFT if plan else Exit.NOT_GOOD) if left else Exit.OK


def read_declarations(path: Path) -> dict[str, Declaration]:
    """Read a file; return its domains by name, in A-labels. Fault `config-invalid`."""
    try:
        text = path.read_text("utf-8")
        parsed = msgspec.convert(tomllib.loads(text), _File)
    except (OSError, ValueError, RecursionError, msgspec.ValidationError) as wrong:
        raise Fault(Kind.CONFIG_INVALID, f"The file {path} can't be read: {wrong}.", FIX) from wrong
    found: dict[str, Declaration] = {}
    for name, declaration in parsed.domains.items():
        sender = parse_anywhere(name).ascii
        if sender in found:
            raise Fault(Kind.CONFIG_INVALID, f"The file {path} has {name} twice.", "Leave one of the tables away.")
        found[sender] = declaration
    return found


def loss_of(senders: Sequence[str]) -> str:
    """Return what deleting these domains would cost, as one sentence."""
    more = f" and {len(senders) - SHOWN} more" if len(senders) > SHOWN else ""
    many = "1 domain" if len(senders) == 1 else f"{len(senders)} domains"
    return (
        f"{many} would be deleted, with the signing keys, and mail would no longer be signed: "
        f"{', '.join(senders[:SHOWN])}{more}."
    )


def plan_actions(
    declared: Mapping[str, Declaration], present: Sequence[Mapping[str, Any]], *, delete: bool
) -> list[PlannedAction]:
    """Return what is to be done about each domain of the file and of the account, by name."""
    there = {domain["sender"]: domain for domain in present}
    actions = [_action_for(sender, wanted, there.get(sender)) for sender, wanted in declared.items()]
    for sender in there.keys() - declared.keys():
        action = ListAction.DELETE if delete else ListAction.EXTRA
        actions.append(PlannedAction(sender, action, "the file does not have it"))
    return sorted(actions)


def _action_for(sender: str, wanted: Declaration, domain: Mapping[str, Any] | None) -> PlannedAction:
    if domain is None:
        return PlannedAction(sender, ListAction.ADD, "the account does not have it")
    differences = []
    if (domain.get("dkimMode") == "delegated") is not wanted.delegated:
        differences.append(f"delegated is {str(not wanted.delegated).lower()} there")
    mail_from = domain["verificationRecords"].get("mail_from_mx", {}).get("host")
    if wanted.mail_from and mail_from is not None and mail_from not in names_of_mail_from(wanted.mail_from, sender):
        differences.append(f"mail-from is {mail_from} there")
    if differences:
        why = f"{' and '.join(differences)}: change the file, or delete the domain and apply again"
        return PlannedAction(sender, ListAction.DIFFERS, why)
    if wanted.start and domain["status"] == "NOT_STARTED":
        return PlannedAction(sender, ListAction.START, "its verification is not started")
    return PlannedAction(sender, ListAction.KEEP)


def names_of_mail_from(text: str, sender: str) -> set[str]:
    """Return the names that a label or a full name may mean, in A-labels; none where it is no name."""
    names = set()
    for each in (text, f"{text.strip().removesuffix('.')}.{sender}"):
        with suppress(Fault):
            names.add(parse_anywhere(each).ascii)
    return names


def _carry_out(api: Api, actions: Sequence[PlannedAction], declared: Mapping[str, Declaration]) -> list[PlannedAction]:
    """Do the actions, and return them with those that failed as such; where one failed, nothing is deleted.

    An error at one domain stops no other that is added or started. What is deleted is gone with its keys, and a file
    with a fault in it is no reason for that.
    """
    done = [each._replace(why="done") if each.action in _TO_DO else each for each in actions]
    adding = [at for at, each in enumerate(actions) if each.action is ListAction.ADD]
    results = ask_for_each(
        api, path_of("domains", "bulk"), [actions[at].sender for at in adding],
        lambda sender: declared[sender].body(sender), AT_ONCE,
    )  # fmt: skip
    for at, result in zip(adding, results, strict=True):
        if (error := result.get("error")) is not None:
            said = command_words(" ".join([error["message"], *([error["fix"]] if error.get("fix") else [])]))
            done[at] = actions[at]._replace(action=ListAction.FAILED, why=f"{said} [{error['code']}]")
    # Deleting is last.
    for at, each in sorted(enumerate(actions), key=lambda numbered: numbered[1].action is ListAction.DELETE):
        try:
            if each.action is ListAction.START:
                api.call("POST", path_of("domains", each.sender, "start-verification"))
            elif each.action is ListAction.DELETE and any(other.action is ListAction.FAILED for other in done):
                done[at] = each._replace(action=ListAction.FAILED, why=NOT_DELETED)
            elif each.action is ListAction.DELETE:
                api.call("DELETE", path_of("domains", each.sender))
        except ApiRefused as refused:
            if refused.code != "not-found" or each.action is not ListAction.DELETE:
                done[at] = each._replace(action=ListAction.FAILED, why=f"{refused.message} [{refused.code}]")
    return done


def _print_actions(actions: Sequence[PlannedAction], *, as_json: bool, is_plan: bool) -> None:
    """Print what is to be done or was done; the domains that stay as they are, as a number alone."""
    if as_json:
        print(msgspec.json.encode([each._asdict() for each in actions]).decode())
        return
    rows = [
        (styled(each.action, _STYLES[each.action]), each.sender, each.why)
        for each in actions
        if each.action not in (ListAction.KEEP, ListAction.EXTRA)
    ]
    if rows:
        console().print(columns(HEADER, rows, width=terminal_width()))
    kept = sum(each.action is ListAction.KEEP for each in actions)
    todo = sum(each.action in _TO_DO for each in actions)
    parts = [f"{todo} {'to do' if is_plan else 'done'}", f"{kept} as the file says"]
    if failed := sum(each.action is ListAction.FAILED for each in actions):
        parts.append(f"{failed} failed")
    if extra := sum(each.action is ListAction.EXTRA for each in actions):
        parts.append(f"{extra} not in the file and left alone (--delete deletes them)")
    console().print(f"{', '.join(parts)}.")
