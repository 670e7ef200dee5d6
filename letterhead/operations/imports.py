"""What DNS serves of the keys that another program or service signs with."""

from collections.abc import Sequence

from letterhead.core.dns.lookup import NoRecords, seen_records, txt_question
from letterhead.core.dns.records import Txt
from letterhead.operations.dns_questions import allowance
from letterhead.ports.resolver import Resolver

AT_ONCE = 20  # names that are asked about side by side, within the packets of one check


async def read_published_texts(resolver: Resolver, names: Sequence[str]) -> dict[str, tuple[str, ...] | None]:
    """Return the TXT records at each name, none where there are none, and None where DNS did not say."""
    texts: dict[str, tuple[str, ...] | None] = {}
    for begin in range(0, len(names), AT_ONCE):
        questions = {name: txt_question(name) for name in names[begin : begin + AT_ONCE]}
        seen = await resolver.ask(questions.values(), allowance())
        for name, question in questions.items():
            match seen_records(seen, question):
                case NoRecords.UNKNOWN:
                    texts[name] = None
                case NoRecords.VOID:
                    texts[name] = ()
                case rdatas:
                    texts[name] = tuple(each.text for each in rdatas if isinstance(each, Txt))
    return texts
