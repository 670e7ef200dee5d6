"""What `letterhead doctor` says of alert channels: whether alerts can be sent, and which channels do not work."""

from typing import TYPE_CHECKING, Final

from letterhead.cli.doctor_links import LinkCondition

if TYPE_CHECKING:
    from letterhead.core.accounts.alert_channels import AlertChannel
    from letterhead.ports.deps import Deps

MOST_NAMED: Final = 5


async def check_alerts(deps: "Deps") -> list[LinkCondition]:
    """Name the channels that no alert gets through to; nothing where Apprise is not installed and none fails."""
    from letterhead.operations.alerts import list_failing

    failing = await list_failing(deps, MOST_NAMED + 1)
    if not failing:
        return [] if deps.alerts is None else [LinkCondition(said="Apprise is installed, and no alert channel fails")]
    found = [_condition(each) for each in failing[:MOST_NAMED]]
    if len(failing) > MOST_NAMED:
        said = "there are more alert channels that do not work"
        found.append(LinkCondition(said=said, fix="If all of them fail, look at this machine's way to the internet"))
    return found


def _condition(channel: "AlertChannel") -> LinkCondition:
    since = f" since {channel.failing_since:%Y-%m-%d %H:%M} UTC" if channel.failing_since else ""
    return LinkCondition(
        said=(
            f"no alert gets through to the {channel.service} channel {channel.name!r} ({channel.id}) of the account "
            f"{channel.account_id}{since}: {channel.failure}"
        ),
        fix=f"Ask the account to try it, `letterhead alerts test {channel.id}`, or to delete it and add it anew",
    )
