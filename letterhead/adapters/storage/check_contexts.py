"""What checks need in addition to their domains, in SQL."""

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from letterhead.adapters.storage import rows
from letterhead.adapters.storage.engine import Engine, storable
from letterhead.core.domain.domain import Domain
from letterhead.core.domain.health import HealthState
from letterhead.ports.store.domains import CheckContext

NEWEST: Final = 50  # domains without proof that are no crowd


async def load_check_contexts(engine: Engine, domains: Sequence[Domain]) -> dict[str, CheckContext]:
    """Return what the checks of these domains need in addition to the domain itself, by domain id."""
    wanted = rows.json([storable(domain.id) for domain in domains])
    contexts = {row["id"]: rows.check_context(row) for row in await engine.read("check_contexts", domain_ids=wanted)}
    unproven = [each for each in domains if not each.is_holder and each.dkim.state is HealthState.PENDING]
    if not unproven:
        return contexts
    accounts = rows.json(list({each.account_id for each in unproven}))
    crowds = {row["account_id"]: row for row in await engine.read("unproven_crowds", accounts=accounts)}
    for each in unproven:
        row = crowds[each.account_id]
        if each.id in contexts and row["fiftieth"] is not None and each.id < row["fiftieth"]:
            contexts[each.id] = replace(contexts[each.id], crowd=row["unproven"] - NEWEST)
    return contexts
