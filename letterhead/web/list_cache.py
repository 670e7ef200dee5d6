"""Cache of recent lists of domains, so that a client which polls has its list made once per change.

A cached list is used only where the versions in the store are still those that it was made from: it is never stale,
in whatever process something changed. Private keys are never cached.
"""

from collections import OrderedDict
from typing import NamedTuple

from starlette.responses import Response

Versions = list[tuple[str, int]]


class CachedList(NamedTuple):
    """One account's response, and the ids and versions of the domains that it was made from."""

    versions: Versions
    tag: str
    response: Response


class ListCache:
    """The last list of each account, up to a number of octets in all; the least recently used are dropped first."""

    def __init__(self, octets: int) -> None:
        self._octets, self._left = octets, octets
        self._lists: OrderedDict[str, CachedList] = OrderedDict()

    def get(self, account_id: str) -> CachedList | None:
        """Return an account's last list."""
        cached = self._lists.get(account_id)
        if cached is not None:
            self._lists.move_to_end(account_id)
        return cached

    def keep(self, account_id: str, kept: CachedList) -> None:
        """Cache a list in place of the account's last one; one over a sixteenth of the cache is not kept."""
        body = kept.response.body
        before = self._lists.pop(account_id, None)
        self._left += len(before.response.body) if before else 0
        if len(body) > self._octets // 16:
            return
        self._lists[account_id] = kept
        self._left -= len(body)
        while self._left < 0:
            _, oldest = self._lists.popitem(last=False)
            self._left += len(oldest.response.body)
