"""The API's messages in the words of the command: operations become commands, fields options, headers variables.

The API speaks to programs: "Look at GET /domains", "the query parameter 'endsInDays'". Who reads them here has typed
a command, and finds neither in it.
"""

import re
from collections.abc import Mapping

# An operation of the API, as messages name it, and the command that calls it; None where a command has none.
_COMMANDS: Mapping[tuple[str, str], str] = {
    ("GET", "/domains"): "letterhead domains list",
    ("POST", "/domains"): "letterhead domains add",
    ("GET", "/can-send"): "letterhead domains can-send NAME",
    ("GET", "/covers"): "letterhead export",
    ("GET", "/domains/records"): "letterhead domains records --all",
    ("POST", "/domains/bulk"): "letterhead apply",
    ("POST", "/domains/check"): "letterhead domains check --all",
    ("GET", "/domains/*"): "letterhead domains show {0}",
    ("GET", "/domains/*/records"): "letterhead domains records {0}",
    ("PATCH", "/domains/*"): "letterhead domains set {0}",
    ("DELETE", "/domains/*"): "letterhead domains delete {0}",
    ("POST", "/domains/*/start-verification"): "letterhead domains start {0}",
    ("POST", "/domains/*/check"): "letterhead domains check {0}",
    ("GET", "/domains/*/dns-check"): "letterhead domains check {0} --dry-run",
    ("POST", "/domains/*/preflight"): "letterhead domains preflight {0}",
    ("GET", "/domains/*/setup-links"): "the domain's page in the dashboard",
    ("POST", "/domains/*/setup-links"): "letterhead domains link {0}",
    ("DELETE", "/domains/*/setup-links/*"): "the domain's page in the dashboard",
    ("GET", "/domains/*/apply-link"): "letterhead domains apply-link {0}",
    ("GET", "/domain-connect"): "letterhead domain-connect check",
    ("GET", "/domain-connect/template"): "letterhead domain-connect template",
    ("POST", "/domain-connect/keys"): "letterhead domain-connect key",
    ("DELETE", "/domain-connect/keys/*"): "letterhead domain-connect delete-key {0}",
    ("POST", "/domains/*/dkim-rotation"): "letterhead domains rotate {0}",
    ("GET", "/domains/*/dkim-rotation"): "letterhead domains rotation {0}",
    ("DELETE", "/domains/*/dkim-rotation"): "letterhead domains rotate {0} --abandon",
    ("POST", "/domains/*/accepted-findings"): "letterhead domains accept {0} CODE",
    ("GET", "/domains/*/accepted-findings"): "letterhead domains accepted {0}",
    ("DELETE", "/domains/*/accepted-findings/*"): "letterhead domains unaccept {0} {1}",
    ("GET", "/dns-hosts"): "letterhead dns hosts",
    ("GET", "/dns-credentials"): "letterhead dns credentials list",
    ("POST", "/dns-credentials"): "letterhead dns credentials add",
    ("PATCH", "/dns-credentials/*"): "letterhead dns credentials change {0}",
    ("DELETE", "/dns-credentials/*"): "letterhead dns credentials delete {0}",
    ("POST", "/domains/*/dns-plan"): "letterhead dns plan {0}",
    ("GET", "/domains/*/dns-plans"): "letterhead dns show {0}",
    ("GET", "/domains/*/dns-plans/*"): "letterhead dns show {0} {1}",
    ("POST", "/domains/*/dns-plans/*/apply"): "letterhead dns apply {0} {1}",
    ("POST", "/domains/*/dns-plans/*/undo"): "letterhead dns undo {0} {1}",
    ("POST", "/domains/*/proof"): "letterhead domains proof {0}",
    ("GET", "/domains/*/proof/*"): "letterhead domains proof {0}",
    ("GET", "/domains/*/events"): "letterhead events {0}",
    ("GET", "/events"): "letterhead events",
    ("GET", "/events/*"): "letterhead events",
    ("GET", "/webhooks"): "letterhead webhooks list",
    ("POST", "/webhooks"): "letterhead webhooks add",
    ("PUT", "/webhooks/*"): "letterhead webhooks change {0}",
    ("DELETE", "/webhooks/*"): "letterhead webhooks delete {0}",
    ("POST", "/webhooks/*/rotate-secret"): "letterhead webhooks rotate-secret {0}",
    ("POST", "/webhooks/*/test"): "letterhead webhooks test {0}",
    ("GET", "/webhooks/*/deliveries"): "letterhead webhooks deliveries {0}",
    ("POST", "/webhooks/*/deliveries/*/redeliver"): "letterhead webhooks redeliver {0} {1}",
    ("GET", "/alert-channels"): "letterhead alerts list",
    ("POST", "/alert-channels"): "letterhead alerts add NAME",
    ("POST", "/alert-channels/*/test"): "letterhead alerts test {0}",
    ("DELETE", "/alert-channels/*"): "letterhead alerts remove {0}",
    ("GET", "/keys"): "letterhead keys list",
    ("POST", "/keys"): "letterhead keys create",
    ("DELETE", "/keys/*"): "letterhead keys delete {0}",
    ("GET", "/members"): "letterhead members list",
    ("PATCH", "/members/*"): "letterhead members set {0}",
    ("DELETE", "/members/*"): "letterhead members remove {0}",
    ("POST", "/invitations"): "letterhead members invite",
    ("DELETE", "/invitations/*"): "letterhead members revoke {0}",
    ("GET", "/accounts/*/members"): "letterhead members list --account {0}",
    ("PATCH", "/accounts/*/members/*"): "letterhead members set {1} --account {0}",
    ("DELETE", "/accounts/*/members/*"): "letterhead members remove {1} --account {0}",
    ("POST", "/accounts/*/invitations"): "letterhead members invite --account {0}",
    ("DELETE", "/accounts/*/invitations/*"): "letterhead members revoke {1} --account {0}",
    ("GET", "/account"): "letterhead account",
    ("PATCH", "/account"): "letterhead account --email",
    ("GET", "/accounts"): "letterhead accounts list",
    ("GET", "/accounts/usage"): "letterhead accounts usage",
    ("POST", "/accounts"): "letterhead accounts create",
    ("GET", "/accounts/domains"): "letterhead domains list --all-accounts",
    ("GET", "/accounts/*/domains/*"): "letterhead domains show {1} --account {0}",
    ("GET", "/accounts/*"): "letterhead accounts show {0}",
    ("PATCH", "/accounts/*"): "letterhead accounts limits {0}",
    ("DELETE", "/accounts/*"): "letterhead accounts delete {0}",
    ("GET", "/accounts/*/sign-in"): "letterhead accounts sign-in {0}",
    ("PATCH", "/accounts/*/sign-in"): "letterhead accounts sign-in {0}",
    ("POST", "/accounts/*/archive"): "letterhead export account {0}",
    ("POST", "/accounts/*/keys"): "letterhead accounts key {0}",
    ("GET", "/audit"): "letterhead accounts audit",
    ("GET", "/audit/month"): "letterhead accounts detach-audit",
    ("POST", "/audit/backups"): "letterhead backup",
    ("POST", "/audit/detach"): "letterhead accounts detach-audit",
    ("GET", "/identities"): "letterhead import ses",
    ("POST", "/identities/reconcile"): "letterhead reconcile",
    ("POST", "/identities/*/adopt"): "letterhead identities adopt {0}",
    ("POST", "/secrets/rewrap"): "letterhead keys rewrap",
    ("GET", "/readyz"): "letterhead doctor",
    ("GET", "/healthz"): "letterhead doctor",
    ("GET", "/status"): "letterhead doctor",
    ("GET", "/metrics"): "the server's metrics",
}
ELSEWHERE = "the dashboard"  # where a person does what no command does
_OPTIONS: Mapping[str, str] = {
    "endsInDays": "--in-days",
    "keyType": "--type",
    "environmentId": "--environment",
    "mailFrom": "--mail-from",
    "privateKey": "--private-key",
    "acceptShortKey": "--accept-short-key",
    "dkimMode": "--delegated",
    "startVerification": "--start",
    "clientIp": "--ip",
    "requestsPerMonth": "--requests-per-month",
    "pendingClaims": "--pending-claims",
    "raw": "--raw",
    "q": "--search",
    "problem": "--problem",
    "status": "--status",
    "limit": "--limit",
    "events": "--events",
    "selector": "--selector",
    "scope": "--scope",
    "helo": "--helo",
    "domains": "--domain",
    "email": "--email",
    "webhook": "URL",
    "sender": "the domain",
    "name": "the name",
    "accountId": "the account's id",
    "condition": "--only",
    "cursor": "--after",
    "refresh": "--refresh",
    "apply": "--apply",
    "limits": "the limits",
    "encoding": "the encoding",
    "format": "--format",
    "zone": "--zone",
    "wait": "--timeout",
    "withDomains": "--with-domains",
    "emailDomains": "--email-domain",
    "groups": "--group",
    "role": "--role",
    "coversSubdomains": "--covers-subdomains",
    "from": "the name",
    "dns": "--no-dns",
    "note": "--note",
    "label": "--label",
    "labels": "--label",
    "contact": "--contact",
    "contactLanguage": "--contact-language",
    "copyAccount": "--copy-account",
    "after": "--after",
    "expiresAt": "--until",
    "networks": "--network",
}
_OPERATION = re.compile(r"`?\b(GET|POST|PUT|PATCH|DELETE) (/[^\s,;)`?]*[^\s,;)`?.:])(?: with \{[^}]*\})?`?")
_HEADER = re.compile(r"Send the header `Authorization: Bearer <(API key|token)>` with\b")
_VARIABLES: Mapping[str, str] = {"API key": "LETTERHEAD_API_KEY", "token": "LETTERHEAD_OPERATOR_TOKEN"}
_PARAMETER = re.compile(r"[Tt]he (?:query parameter|parameter|field) ['`“](\w+)['`”]")
_PATH = re.compile(r"\$((?:\.\w+|\[[^\]]*\])+)")
_DOCS = re.compile(r"Look at /docs for [^.]*\.|Look at /docs\b[^.]*\.|/docs\b")
_FIELD = re.compile(r"(?<![\w.-])'?\b([a-z]+(?:[A-Z][a-z]+)+)\b'?(?![\w-]*=)")
HELP = "Its options: add --help to the command."


def command_words(text: str) -> str:
    """Return a message of the API in the words of the command."""
    text = _OPERATION.sub(lambda found: command_for(found[1], found[2]), text)
    text = _HEADER.sub(lambda found: f"Set {_VARIABLES[found[1]]} to", text)
    text = _PARAMETER.sub(lambda found: option_for(found[1]), text)
    text = _PATH.sub(lambda found: option_for(re.findall(r"\w+", found[1])[0]), text)
    text = _DOCS.sub(HELP, text)
    return _FIELD.sub(lambda found: option_for(found[1]), text)


def command_for(method: str, path: str) -> str:
    """Return the command for an operation of the API; a placeholder stays in capitals: {sender} is SENDER."""
    parts = path.split("?")[0].strip("/").split("/")
    for (verb, pattern), command in _COMMANDS.items():
        names = pattern.strip("/").split("/")
        if verb == method and len(names) == len(parts):
            pairs = list(zip(names, parts, strict=True))
            if all(name in ("*", part) for name, part in pairs):
                filled = (part for name, part in pairs if name == "*")
                return command.format(
                    *(part[1:-1].replace("Id", "_ID").upper() if part.startswith("{") else part for part in filled)
                )
    return ELSEWHERE


def option_for(field: str) -> str:
    """Return the option that fills a field of the API; a field without one is written in words."""
    return _OPTIONS.get(field) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", field).lower()
