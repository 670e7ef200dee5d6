"""What `letterhead doctor` says of the links that customers get: their address, and those of Domain Connect."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from letterhead.core.accounts.accounts import is_reachable_url
from letterhead.core.domain_connect.template import new_template
from letterhead.core.domain_connect.template_rules import BrokenRule, broken_rules
from letterhead.core.secret import reveal
from letterhead.operations.domain_connect_keys import SigningKey, list_keys

if TYPE_CHECKING:
    from letterhead.config import Settings
    from letterhead.ports.deps import Deps

SECONDS = 8.0  # for an answer of the server, which asks DNS for the keys


class LinkCondition(msgspec.Struct, frozen=True, kw_only=True):
    """One line: what was found, whether it is good, and what to do."""

    said: str
    ok: bool = True
    fix: str | None = None


async def check_links(deps: "Deps") -> list[LinkCondition]:
    """Check the keys and the template; nothing where the operator is no service provider."""
    if deps.service_provider is None:
        return []
    rules = broken_rules(new_template(deps.service_provider))
    return [*key_conditions(await list_keys(deps)), *template_conditions(rules)]


def check_links_at_server(settings: "Settings") -> list[LinkCondition]:
    """Check the same by asking the server that runs on the database, with the operator's token."""
    import httpx2

    from letterhead.cli.client import http_client
    from letterhead.cli.process import address

    if settings.domain_connect_provider is None:
        return []
    if settings.operator_token is None:
        fix = "Set LETTERHEAD_OPERATOR_TOKEN, or run `letterhead doctor` while the server is stopped"
        return [LinkCondition(said="Domain Connect was not looked at: the server tells it to its operator", fix=fix)]
    url = f"{address(settings.bind)}/domain-connect"
    token = reveal(settings.operator_token).decode()
    found: list[dict[str, Any]] = []
    for path in ("", "/template"):
        try:
            with http_client(address(settings.bind), timeout=SECONDS) as client:
                answer = client.get(f"/domain-connect{path}", headers={"Authorization": f"Bearer {token}"})
            answer.raise_for_status()
            found.append(msgspec.json.decode(answer.content))
        except (httpx2.HTTPError, msgspec.MsgspecError) as error:
            said = f"{url}{path} does not say how Domain Connect is: {error}"
            fix = "Start the server anew with the settings that it should have, and read its log"
            return [LinkCondition(said=said, ok=False, fix=fix)]
    keys = [
        SigningKey(
            name=each["name"],
            host=each["host"],
            texts=(),
            is_published=each.get("published"),
            problem=each.get("problem"),
        )
        for each in found[0]["keys"]
    ]
    rules = [BrokenRule(**each) for each in found[1]["problems"]]
    return [*key_conditions(keys), *template_conditions(rules)]


def key_conditions(keys: Sequence[SigningKey]) -> Iterator[LinkCondition]:
    """Yield what is to be said of the keys, the oldest first."""
    signing = next((each for each in reversed(keys) if each.is_published), None)
    if signing is not None:
        yield LinkCondition(said=f"DNS serves the Domain Connect key {signing.host}, which signs links")
    elif not keys:
        yield LinkCondition(
            said="there is no Domain Connect key: no customer gets a link",
            ok=False,
            fix="Run `letterhead domain-connect key`, and publish what it prints",
        )
    for each in keys:
        if each is signing:
            continue
        if signing is None or keys.index(each) > keys.index(signing):
            yield LinkCondition(
                said=each.problem or f"{each.host} is not served",
                ok=signing is not None,
                fix="See that the resolvers answer, and ask again"
                if each.is_published is None
                else f"Publish at {each.host} the TXT records that `letterhead domain-connect key` prints",
            )
        else:
            yield LinkCondition(
                said=f"{each.host} signs no more",
                fix=f"Run `letterhead domain-connect delete-key {each.name}`, and remove its TXT records",
            )


def template_conditions(rules: Iterable[BrokenRule]) -> Iterator[LinkCondition]:
    """Yield the rules that the template breaks."""
    for broken in rules:
        yield LinkCondition(
            said=f"the Domain Connect template breaks {broken.rule}: {broken.detail}",
            ok=broken.severity != "error",
            fix="Change the setting that this comes from; `letterhead domain-connect check` lists all of them",
        )


def check_public_url(settings: "Settings") -> LinkCondition:
    """Check that links do not lead customers to their own machines, and that a public one is encrypted."""
    url = settings.public_url
    if not is_reachable_url(url):  # as mails have no links then
        fix = "Set LETTERHEAD_PUBLIC_URL to the https URL that your customers reach, unless you only try it out"
        return LinkCondition(said=f"{url} is this machine: the links of customers lead nowhere", fix=fix)
    if not url.startswith("https:"):
        fix = "Put a proxy with TLS in front (deploy/nginx.conf, deploy/Caddyfile), and set LETTERHEAD_PUBLIC_URL to it"
        return LinkCondition(said=f"{url}: keys and links go over the network in clear", fix=fix)
    return LinkCondition(said=f"{url} begins the links that customers get")
