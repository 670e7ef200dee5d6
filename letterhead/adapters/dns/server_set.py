"""Knows what several servers of one zone say to one question; knows not how they were found."""

import asyncio
from collections.abc import Iterable, Sequence

from letterhead.adapters.dns.delegation import DnsSetup, ZoneCut
from letterhead.adapters.dns.interpret import server_answer
from letterhead.adapters.dns.labels import name_text
from letterhead.adapters.dns.transport import SILENT, QuestionBudget, exchange
from letterhead.adapters.dns.wire import DnsMessage, DnsQuery
from letterhead.core.dns.answers import Answer, Nameserver, Perspective, Reply, Unanswered, View, Why, fingerprint

NOT_HEARD = SILENT | {Why.NOT_ASKED}


class ServerSet:
    """Asks servers of one zone the same question, side by side."""

    def __init__(self, setup: DnsSetup, budget: QuestionBudget, cut: ZoneCut, query: DnsQuery) -> None:
        self._setup, self._budget, self._cut, self._query = setup, budget, cut, query
        self._asked: dict[tuple[str, str], asyncio.Task[DnsMessage | Unanswered]] = {}

    def ask(self, servers: Iterable[tuple[str, str]]) -> None:
        """Starts to ask servers, each given by name and address."""
        for name, address in servers:
            told = exchange((address, self._setup.port), self._query, self._budget, self._setup.per_try)
            self._asked[name, address] = asyncio.create_task(told)

    async def wait(self, seconds: float | None = None) -> None:
        """Waits until all have answered, at most so long."""
        if self._asked:
            await asyncio.wait(self._asked.values(), timeout=seconds)

    def has_answer(self) -> bool:
        """Says whether any server was heard so far, whatever it said."""
        return any(isinstance(told, DnsMessage) or told.why not in NOT_HEARD for told in self._told())

    def agree(self) -> bool:
        """Says whether all have answered, and alike."""
        return len(self._told()) == len(self._asked) and are_alike([self._answer(told) for told in self._told()])

    def referral(self) -> DnsMessage | None:
        """Finds a referral, where no server answered with authority."""
        messages = self._messages()
        if any(message.authoritative for message in messages):
            return None
        return next((message for message in messages if message.authority), None)

    def replies(self, view: View) -> tuple[Reply, ...]:
        """Gives what each server said; all must have answered."""
        return tuple(
            Reply(perspective=self._perspective(view, *server), answer=self._answer(task.result()))
            for server, task in self._asked.items()
        )

    def cancel(self) -> None:
        """Gives up on those that have not answered."""
        for task in self._asked.values():
            task.cancel()

    def _answer(self, told: DnsMessage | Unanswered) -> Answer:
        return told if isinstance(told, Unanswered) else server_answer(told, self._query, self._cut.zone)

    def _perspective(self, view: View, name: str, address: str) -> Perspective:
        return Perspective(view=view, server=name, address=address, zone=name_text(self._cut.zone))

    def _told(self) -> list[DnsMessage | Unanswered]:
        return [task.result() for task in self._asked.values() if task.done()]

    def _messages(self) -> list[DnsMessage]:
        return [told for told in self._told() if isinstance(told, DnsMessage)]


def in_turn(servers: Sequence[Nameserver]) -> list[tuple[str, str]]:
    """Lists each server's first address, then each one's second, and so on."""
    deepest = max((len(server.addresses) for server in servers), default=0)
    return [
        (server.name, server.addresses[at]) for at in range(deepest) for server in servers if at < len(server.addresses)
    ]


def are_alike(answers: Iterable[Answer]) -> bool:
    """Tell whether these are answers, and all say the same."""
    fingerprints = {fingerprint(answer) for answer in answers}
    return len(fingerprints) == 1 and None not in fingerprints
