"""Knows the ten domains of the demo: what their owners did, and when somebody looked."""

from dataclasses import dataclass
from datetime import timedelta
from importlib.resources import files

from letterhead.core.dns.records import quote, split_text
from letterhead.core.plan.plan import Plan, PlannedRecord, RecordId

OTHER_KEY = (  # a real key, whose private half nobody kept
    "v=DKIM1; k=rsa; p="
    "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAv/DRVgGI6xMYtoT8MpUDD9gzruofCy4ZIKy34+CJoZasJeXBWO3mzkvZ"
    "1eCrAFE5VyIjXUXkAUhAUm06BVnq0Ri6FEeIT7XxatxFiVXYAHlfKdW9DOksZY/NoGvmcNgrJpRS4mrerFxlBOt5qLi+z8GEk3Ug"
    "ikYWNL/HjnmU9IlxlIa5qKGXLyLH/qgjk3d9eBoCmGojOhDopUdO8sW/f5N6SVE8AX9EPltdT4rYNqWCb6FQ2y/lX3kvqGbINkCt"
    "V5mbRkTDujlc1czec6ICZexjofI2MNh79e9MmkZ5zqi+7u94U0E85kU0HlZ39L4G0TMMAcwmcKjoyipdJNphywIDAQAB"
)


def days(number: float) -> timedelta:
    """Counts days."""
    return timedelta(days=number)


def minutes(number: float) -> timedelta:
    """Counts minutes."""
    return timedelta(minutes=number)


@dataclass(frozen=True, slots=True)
class StoryStep:
    """Says what the zone is from some time before now on, and when it was looked at, as times before now."""

    zone: str
    looks: tuple[timedelta, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainStory:
    """Holds one domain's story: `added` is how long before now; `mood` the simulated provider's."""

    sender: str
    tale: str
    added: timedelta
    turns: tuple[StoryStep, ...]
    start: bool = True
    mood: str = "normal"


def _looked(*ago: timedelta) -> tuple[timedelta, ...]:
    return ago


APPEARS = "orchard.example"

PARTS = (
    DomainStory(
        sender="lighthouse.example",
        tale="verified for three months",
        added=days(100),
        turns=(StoryStep("good", _looked(days(100) - minutes(1), days(100) - minutes(2), days(50), days(1) / 4)),),
    ),
    DomainStory(
        sender="harbour.example",
        tale="verified, but its records vanished this morning: at risk",
        added=days(60),
        turns=(
            StoryStep("good", _looked(days(60) - minutes(1), days(60) - minutes(2), days(30), days(1) / 4)),
            StoryStep("missing", _looked(minutes(200), minutes(189), minutes(150))),
        ),
    ),
    DomainStory(
        sender="attic.example",
        tale="never published anything for 72 hours: failed",
        added=days(5),
        turns=(StoryStep("missing", _looked(days(5) - minutes(1), days(4), days(3), days(1.9), days(1))),),
    ),
    DomainStory(
        sender="sketch.example",
        tale="added, verification not asked for yet: a draft",
        added=days(2),
        turns=(),
        start=False,
    ),
    DomainStory(
        sender="mirror.example",
        tale="pasted the full name into a panel that appends the zone: the name is doubled",
        added=minutes(40),
        turns=(StoryStep("doubled", _looked(minutes(39), minutes(5))),),
    ),
    DomainStory(
        sender="locksmith.example",
        tale="published a key, but another product's",
        added=minutes(90),
        turns=(StoryStep("wrong-key", _looked(minutes(89), minutes(4))),),
    ),
    DomainStory(
        sender="twins.example",
        tale="one of its two DNS servers still serves yesterday's zone",
        added=minutes(120),
        turns=(StoryStep("disagree", _looked(minutes(119), minutes(3))),),
    ),
    DomainStory(
        sender="hermit.example",
        tale="its DNS servers do not answer, which says nothing about its records",
        added=minutes(20),
        turns=(StoryStep("silent", _looked(minutes(19), minutes(2))),),
    ),
    DomainStory(
        sender="queue.example",
        tale="its records are right; the provider has not come to look yet",
        added=minutes(30),
        turns=(StoryStep("good", _looked(minutes(29), minutes(10))),),
        mood="pending",
    ),
    DomainStory(
        sender=APPEARS,
        tale="its records appear while you watch",
        added=timedelta(0),
        turns=(StoryStep("missing", _looked(timedelta(0))),),
    ),
)


def zone_text(name: str, plan: Plan) -> str:
    """Writes a zone of the story with what was planned for its domain."""
    template = (files(__package__) / "zones" / f"{name}.zone").read_text("ascii")
    mx, spf = _planned(plan, RecordId.MAIL_FROM_MX), _planned(plan, RecordId.MAIL_FROM_SPF)
    return template.format(
        sender=plan.sender,
        selector=_planned(plan, RecordId.DKIM).host.partition(".")[0],
        key=_data(_planned(plan, RecordId.DKIM).value),
        other_key=_data(OTHER_KEY),
        mail_from=mx.host.removesuffix(f".{plan.sender}"),
        mx=f"{mx.priority} {mx.value}.",
        spf=_data(spf.value),
    )


def _planned(plan: Plan, record_id: RecordId) -> PlannedRecord:
    record = plan.record(record_id)
    if record is None:
        raise LookupError(f"the simulated provider plans {record_id} for {plan.sender}")
    return record


def _data(value: str) -> str:
    return " ".join(quote(piece) for piece in split_text(value))
