"""The rules by which people of a mail domain or a group sign in to an account; the operator sets them."""

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from letterhead.core.accounts.members import MOST_RULES, MemberRole, SignInRules
from letterhead.core.names.domain_names import NameRules, parse_domain, show_foreign
from letterhead.errors import Fault, Kind
from letterhead.operations.accounts import AccountNeeds, StoreForAccounts, find_account
from letterhead.operations.audit import Actor, audit_row
from letterhead.ports.store.members import MemberStore

GROUP_LENGTH: Final = 200


class StoreForRules(StoreForAccounts, MemberStore, Protocol):
    """Accounts, and the rules by which people sign in to them."""


class SignInRuleNeeds(AccountNeeds, Protocol):
    """What the rules need."""

    @property
    def store(self) -> StoreForRules: ...
    @property
    def names(self) -> NameRules: ...


class RulesUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What to change of an account's rules; None leaves a map as it is."""

    email_domains: Mapping[str, MemberRole] | None = None
    groups: Mapping[str, MemberRole] | None = None


async def show_rules(deps: SignInRuleNeeds, account_id: str) -> SignInRules:
    """Return the rules of an account; Fault `not-found`."""
    account = await find_account(deps, account_id)
    return await deps.store.sign_in_rules(account.id)


async def change_rules(deps: SignInRuleNeeds, account_id: str, update: RulesUpdate, actor: Actor) -> SignInRules:
    """Change the rules of an account; people whom a rule let in sign in anew.

    Faults: `not-found`, `parameter-invalid` for too many rules or a group's name, those of `parse_domain` for a name
    that is nobody's mail domain, or that anybody may have an address at.
    """
    before = await show_rules(deps, account_id)
    domains, groups = update.email_domains, update.groups
    rules = SignInRules(
        email_domains=before.email_domains if domains is None else _parse_domains(deps.names, domains),
        groups=before.groups if groups is None else groups,
    )
    if len(rules.email_domains) + len(rules.groups) > MOST_RULES:
        detail = f"These are {len(rules.email_domains) + len(rules.groups)} rules; an account may have {MOST_RULES}."
        raise Fault(Kind.PARAMETER_INVALID, detail, "Make one group of several at the OpenID provider.")
    for group in rules.groups:
        if not group.isprintable() or not 0 < len(group) <= GROUP_LENGTH:
            detail = f"{show_foreign(group)} is no name of a group: it is empty, too long, or can't be printed."
            raise Fault(Kind.PARAMETER_INVALID, detail, "Write it just as the OpenID provider does.")
    said = [f"{name}={role}" for name, role in (*rules.email_domains.items(), *rules.groups.items())]
    row = audit_row(deps, actor, "account.sign-in", f"{account_id} {', '.join(said) or 'nobody'}"[:500])
    if not await deps.store.set_sign_in_rules(account_id, rules, row):
        detail = f"The account {account_id[:80]!r} was closed at the same moment."
        raise Fault(Kind.NOT_FOUND, detail, "Look at GET /accounts for those there are.")
    return rules


def _parse_domains(names: NameRules, given: Mapping[str, MemberRole]) -> dict[str, MemberRole]:
    """Parse mail domains: the operator's own may be among them, those where anybody can have an address may not."""
    anybodys = replace(names, forbidden=frozenset())
    return {parse_domain(name, anybodys).ascii: role for name, role in given.items()}
