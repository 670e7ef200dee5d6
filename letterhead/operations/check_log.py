"""The log lines of a check: what it found, and how the domain's status changed."""

from collections.abc import Sequence

import structlog

from letterhead.core.domain.domain import Domain, mail_from_status, status
from letterhead.core.domain.health import HealthState

log = structlog.get_logger()

_BAD = {HealthState.AT_RISK, HealthState.FAILED}


def log_check(before: Domain, after: Domain, codes: Sequence[str], *, saved: bool) -> None:
    """Log what a check found; where it was not saved, that somebody else changed the domain meanwhile."""
    which = {"domain": before.sender, "domain_id": before.id, "version": before.version}
    if not saved:
        log.info("check.overtaken", **which)
        return
    log.info("check.done", **which, status=status(after), codes=list(codes))
    log_status_change(before, after)


def log_status_change(before: Domain, after: Domain) -> None:
    """Log a change of what is said of a domain: of its status, its MAIL FROM, its health, or who holds the name."""
    was, now = _state_of(before), _state_of(after)
    if was == now:
        return
    worse = after.dkim.state in _BAD and before.dkim.state is not after.dkim.state
    (log.warning if worse or was["held"] > now["held"] else log.info)(
        "domain.status_changed",
        domain=before.sender,
        domain_id=before.id,
        was={name: value for name, value in was.items() if now[name] != value},
        now={name: value for name, value in now.items() if was[name] != value},
        status=status(after),
    )


def _state_of(domain: Domain) -> dict[str, str]:
    return {
        "status": str(status(domain)),
        "mail_from": str(mail_from_status(domain)),
        "dkim": domain.dkim.state.value,
        "held": "yes" if domain.is_holder else "no",
    }
