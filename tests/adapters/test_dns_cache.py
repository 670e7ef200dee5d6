"""The cache of DNS is bounded in entries, octets and time, whatever a hostile zone names its servers."""

from letterhead.adapters.dns.cache import LONGEST, Cache, octets_of
from letterhead.adapters.dns.delegation import ZoneCut

LONG_NAME = tuple(b"a" for _ in range(120))
FAT = ZoneCut((b"evil", b"test"), tuple((b"%d" % number, *LONG_NAME) for number in range(64)))


def test_fat_values_stay_within_the_octets() -> None:
    """A thousand zones with 64 servers of 120 labels each take no more than the bound; small ones all stay."""
    cache = Cache[object](lambda: 0.0, octets=8_000_000)
    for number in range(1000):
        cache.put(("zone", number), FAT, 300.0)
        assert cache.octets <= 8_000_000
    assert cache.get(("zone", 999)) is FAT
    assert cache.get(("zone", 0)) is None
    small = Cache[object](lambda: 0.0, size=100)
    for number in range(200):
        small.put(number, (b"a",), 300.0)
    assert [number for number in range(200) if small.get(number)] == list(range(100, 200))


def test_what_is_dropped_is_not_counted() -> None:
    """Replaced, expired and oversized values leave no octets behind."""
    now = [0.0]
    cache = Cache[object](lambda: now[0], octets=16 * octets_of(FAT))
    for _ in range(3):
        cache.put("a", (b"x",) * 10, 1e9)
    cache.put("b", (b"x",) * 100_000, 300.0)
    assert cache.get("b") is None
    now[0] = LONGEST
    assert cache.get("a") is None
    assert cache.octets == 0
