"""Google Cloud DNS, signed in by the key of a service account that an account of ours gave."""

import json
import os
from typing import Any, Final

from octodns_googlecloud import GoogleCloudProvider

TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 an address
_TAKEN: Final = ("client_email", "private_key", "private_key_id", "project_id")


class GoogleZones(GoogleCloudProvider):  # type: ignore[misc] # it brings no types
    """The provider of octoDNS; of the key's file it takes who signs in, and never the address where."""

    def __init__(self, id: str, service_account: str, **options: Any) -> None:  # noqa: A002 octoDNS's own name
        given = json.loads(service_account)
        known = {name: str(given[name]) for name in _TAKEN}
        text = json.dumps(known | {"type": "service_account", "token_uri": TOKEN_URL}).encode()
        reader, writer = os.pipe()  # Google's library reads a path: no file on a disk ever holds the key
        try:
            with os.fdopen(writer, "wb") as pipe:
                pipe.write(text)
            path = f"/dev/fd/{reader}"
            super().__init__(id, project=known["project_id"], credentials_file=path, private=False, **options)
        finally:
            os.close(reader)
