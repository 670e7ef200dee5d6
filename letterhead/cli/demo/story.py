"""The ten domains of the demo: their zones, and when each was checked."""

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
    """Return a number of days."""
    return timedelta(days=number)


def minutes(number: float) -> timedelta:
    """Return a number of minutes."""
    return timedelta(minutes=number)


@dataclass(frozen=True, slots=True)
class StoryStep:
    """A zone of the domain, and the checks while it was served, as times before now."""

    zone: str
    checks: tuple[timedelta, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DomainStory:
    """A domain: `added` is the time before now, `behaviour` the simulated provider's."""

    sender: str
    text: str
    added: timedelta
    steps: tuple[StoryStep, ...]
    start: bool = True
    behaviour: str = "normal"


APPEARS = "orchard.example"

DOMAINS = (
    DomainStory(
        sender="lighthouse.example",
        text="verified for three months",
        added=days(100),
        steps=(StoryStep("good", (days(100) - minutes(1), days(100) - minutes(2), days(50), days(1) / 4)),),
    ),
    DomainStory(
        sender="harbour.example",
        text="verified, but its records vanished this morning: at risk",
        added=days(60),
        steps=(
            StoryStep("good", (days(60) - minutes(1), days(60) - minutes(2), days(30), days(1) / 4)),
            StoryStep("missing", (minutes(200), minutes(189), minutes(150))),
        ),
    ),
    DomainStory(
        sender="attic.example",
        text="never published anything for 72 hours: failed",
        added=days(5),
        steps=(StoryStep("missing", (days(5) - minutes(1), days(4), days(3), days(1.9), days(1))),),
    ),
    DomainStory(
        sender="sketch.example",
        text="added, verification not asked for yet: a draft",
        added=days(2),
        steps=(),
        start=False,
    ),
    DomainStory(
        sender="mirror.example",
        text="pasted the full name into a panel that appends the zone: the name is doubled",
        added=minutes(40),
        steps=(StoryStep("doubled", (minutes(39), minutes(5))),),
    ),
    DomainStory(
        sender="locksmith.example",
        text="published a key, but another product's",
        added=minutes(90),
        steps=(StoryStep("wrong-key", (minutes(89), minutes(4))),),
    ),
    DomainStory(
        sender="twins.example",
        text="one of its two DNS servers still serves yesterday's zone",
        added=minutes(120),
        steps=(StoryStep("disagree", (minutes(119), minutes(3))),),
    ),
    DomainStory(
        sender="hermit.example",
        text="its DNS servers do not answer, which says nothing about its records",
        added=minutes(20),
        steps=(StoryStep("silent", (minutes(19), minutes(2))),),
    ),
    DomainStory(
        sender="queue.example",
        text="its records are right; the provider has not come to look yet",
        added=minutes(30),
        steps=(StoryStep("good", (minutes(29), minutes(10))),),
        behaviour="pending",
    ),
    DomainStory(
        sender=APPEARS,
        text="its records appear while you watch",
        added=timedelta(0),
        steps=(StoryStep("missing", (timedelta(0),)),),
    ),
)


def zone_text(name: str, plan: Plan) -> str:
    """Return a zone of the story with the records that are planned for its domain."""
    template = (files(__package__) / "zones" / f"{name}.zone").read_text("ascii")
    mx, spf = _record_of(plan, RecordId.MAIL_FROM_MX), _record_of(plan, RecordId.MAIL_FROM_SPF)
    return template.format(
        sender=plan.sender,
        selector=_record_of(plan, RecordId.DKIM).host.partition(".")[0],
        key=_character_strings(_record_of(plan, RecordId.DKIM).value),
        other_key=_character_strings(OTHER_KEY),
        mail_from=mx.host.removesuffix(f".{plan.sender}"),
        mx=f"{mx.priority} {mx.value}.",
        spf=_character_strings(spf.value),
    )


def _record_of(plan: Plan, record_id: RecordId) -> PlannedRecord:
    record = plan.record(record_id)
    if record is None:
        raise LookupError(f"the simulated provider plans {record_id} for {plan.sender}")
    return record


def _character_strings(value: str) -> str:
    return " ".join(quote(piece) for piece in split_text(value))
