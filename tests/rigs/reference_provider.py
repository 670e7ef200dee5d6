"""Apply templates by domainconnectzone, the reference implementation of a DNS provider's side of Domain Connect.

Runs in `.venv-domain-connect`, whose dnspython is another one: a JSON object on each line in, one on each line out.
"""

import json
import sys
from typing import Any

import dns.resolver
from domainconnectzone import DomainConnect, qsfilter


def ask_at(address: str, port: int) -> None:
    """Have the reference implementation ask this resolver for public keys, and no other."""
    resolver = dns.resolver.Resolver(configure=False)
    resolver.nameservers, resolver.port = [address], port
    resolver.lifetime = 10
    dns.resolver.default_resolver = resolver


def apply(asked: dict[str, Any]) -> dict[str, Any]:
    """Verify the signature of a query and apply its template to the records of a zone."""
    template = DomainConnect(template=asked["template"])
    new, deleted, _ = template.apply_template(
        asked["zone"], asked["domain"], asked["host"], asked["params"], asked["groups"],
        qs=qsfilter(asked["query"], ["sig", "key"]), sig=asked["sig"], key=asked["key"],
    )  # fmt: skip
    return {"new": new, "deleted": deleted}


def main() -> None:
    """Answer each line; what the reference implementation raises is an answer with its name."""
    ask_at(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        try:
            answer = apply(json.loads(line))
        except Exception as raised:  # whatever it is, the provider has to tell the person
            answer = {"error": type(raised).__name__, "detail": str(raised)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
