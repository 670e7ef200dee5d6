"""The query of a link, what is signed of it, and the TXT records of the public key that proves it.

Everything after the `?` is signed, without `sig` and `key`, with its values encoded as they stand in the link.
"""

from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import quote

import msgspec

from letterhead.core.domain_connect.host_settings import HostSettings
from letterhead.core.domain_connect.template import AppliedRecord, ServiceProvider
from letterhead.core.plan.plan import relative_name

KEY_NAME: Final = "_dcpubkeyv"  # with a number: the name below the key domain at which a public key is published
_PIECE: Final = 200  # characters of a key in one record, so that each fits into one string of 255 octets


class ApplyRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of the DNS host: these records of `sender`, in the zone that holds it."""

    sender: str
    zone: str
    records: tuple[AppliedRecord, ...]
    redirect: str | None = None
    state: str | None = None


def apply_query(request: ApplyRequest) -> str:
    """Return the query as it is signed."""
    pairs = [("domain", request.zone)]
    if request.sender != request.zone:
        pairs.append(("host", relative_name(request.sender, request.zone)))
    variables = {name: value for record in request.records for name, value in record.variables.items()}
    pairs += sorted(variables.items())
    pairs.append(("groupId", ",".join(dict.fromkeys(record.group for record in request.records))))
    pairs += [("redirect_uri", request.redirect)] if request.redirect is not None else []
    pairs += [("state", request.state)] if request.state is not None else []
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


def signed_url(host: HostSettings, provider: ServiceProvider, query: str, signature: str, key: str) -> str:
    """Return the link: `signature` is base64, `key` the name of the key below the key domain."""
    template = f"providers/{quote(provider.provider_id, safe='')}/services/{quote(provider.service_id, safe='')}"
    path = f"{host.pages.url}/v2/domainTemplates/{template}/apply"
    return f"{path}?{query}&sig={quote(signature, safe='')}&key={quote(key, safe='')}"


def template_path(provider: ServiceProvider) -> str:
    """Return the path below a host's API at which it says whether it knows the template."""
    template = f"providers/{quote(provider.provider_id, safe='')}/services/{quote(provider.service_id, safe='')}"
    return f"/v2/domainTemplates/{template}"


def key_texts(public_key: str) -> tuple[str, ...]:
    """Return the contents of the TXT records that publish a public key, which is base64 of its SPKI DER."""
    pieces: list[str] = []
    while len(public_key) > _PIECE:
        # Not beside an "n": the reference implementation, which hosts run, strips that letter from the ends of pieces.
        at = next((at for at in range(_PIECE, 1, -1) if "n" not in public_key[at - 1 : at + 1]), _PIECE)
        pieces.append(public_key[:at])
        public_key = public_key[at:]
    pieces.append(public_key)
    return tuple(f"p={number},a=RS256,d={piece}" for number, piece in enumerate(pieces, 1))


def published_key(texts: Iterable[str]) -> str | None:
    """Return the public key that TXT records publish, as DNS hosts read it; None where they are none for RS256."""
    pieces: dict[int, str] = {}
    for text in texts:
        fields = dict(field.split("=", 1) for field in text.replace(" ", "").split(",") if "=" in field)
        number = fields.get("p", "")
        if fields.get("a", "RS256") != "RS256" or fields.get("t", "x509") != "x509":
            return None
        if number.isascii() and number.isdigit() and len(number) < 4 and "d" in fields:
            pieces[int(number)] = fields["d"]
    return "".join(pieces[number] for number in sorted(pieces)) or None


def is_published(public_key: str, texts: Sequence[str]) -> bool:
    """Return whether TXT records publish this very key."""
    return published_key(texts) == public_key
