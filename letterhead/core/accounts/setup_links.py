"""Links to the set-up page of a domain, and how long each is valid."""

from datetime import datetime, timedelta
from typing import Final

import msgspec

TOKEN_OCTETS: Final = 16  # 128 bit: nobody guesses one
USUAL_DAYS: Final = 14
MOST_LIVE: Final = 5  # of one domain; a further one ends the link that was not used for longest (decision 0019)
WATCHED_FOR: Final = timedelta(seconds=40)  # an open page asks again long before


class SetupLink(msgspec.Struct, frozen=True, kw_only=True):
    """One link without its token: whoever has the token sees this one domain until `ends_at`.

    `opened_at` is when its page was last open.
    """

    id: str
    account_id: str
    domain_id: str
    created_at: datetime
    ends_at: datetime
    opened_at: datetime | None = None


def is_valid(link: SetupLink, now: datetime) -> bool:
    """Tell whether the link still opens its page."""
    return now < link.ends_at
