"""What `letterhead doctor` says of alert channels: whether alerts can be sent, and how many channels do not work."""

from typing import TYPE_CHECKING

from letterhead.cli.doctor_links import LinkCondition

if TYPE_CHECKING:
    from letterhead.ports.deps import Deps


async def check_alerts(deps: "Deps") -> list[LinkCondition]:
    """Count the channels that no alert gets through to; nothing where Apprise is not installed and none fails."""
    from letterhead.operations.alerts import count_failing

    failing = await count_failing(deps)
    if failing:
        said = f"{failing} alert channels of accounts do not work: no alert gets through"
        return [
            LinkCondition(said=said, fix="Their accounts' pages say why; if all of them fail, look at this network")
        ]
    return [] if deps.alerts is None else [LinkCondition(said="Apprise is installed, and no alert channel fails")]
