"""Amazon Route 53, without the health checks that octoDNS keeps for records of its own."""

from typing import Any

from octodns_route53 import Route53Provider


class Route53Zones(Route53Provider):  # type: ignore[misc] # it brings no types
    """The provider of octoDNS, which neither lists nor deletes health checks: they take permissions of their own."""

    def __init__(self, id: str, **options: Any) -> None:  # noqa: A002 octoDNS's own name
        super().__init__(id, get_zones_by_name=True, private=False, client_max_attempts=2, **options)
        self._health_checks: dict[str, Any] = {}
