"""The responses of several servers of one zone to one question."""

import asyncio
from collections.abc import Iterable, Sequence

from letterhead.adapters.dns.delegation import DnsSetup, ZoneCut
from letterhead.adapters.dns.interpret import server_answer
from letterhead.adapters.dns.labels import name_text
from letterhead.adapters.dns.transport import SILENT, QuestionBudget, exchange
from letterhead.adapters.dns.wire import DnsMessage, DnsQuery
from letterhead.core.dns.answers import Answer, Nameserver, Perspective, Reply, Unanswered, View, Why, fingerprint

NO_RESPONSE = SILENT | {Why.NOT_ASKED}


class ServerSet:
    """Servers of one zone that are asked the same question concurrently."""

    def __init__(self, setup: DnsSetup, budget: QuestionBudget, cut: ZoneCut, query: DnsQuery) -> None:
        self._setup, self._budget, self._cut, self._query = setup, budget, cut, query
        self._asked: dict[tuple[str, str], asyncio.Task[DnsMessage | Unanswered]] = {}
        self._read: dict[int, Answer] = {}  # by the identity of the response, which its task keeps

    def ask(self, servers: Iterable[tuple[str, str]]) -> None:
        """Start to ask servers, each given by name and address."""
        for name, address in servers:
            response = exchange((address, self._setup.port), self._query, self._budget, self._setup.per_try)
            self._asked[name, address] = asyncio.create_task(response)

    async def wait(self, seconds: float | None = None) -> None:
        """Wait until all have responded, for at most `seconds` after the last packet that had to wait for its turn."""
        pending: set[asyncio.Task[DnsMessage | Unanswered]] = {*self._asked.values()}
        while pending:
            _, pending = await asyncio.wait(pending, timeout=seconds)
            if not self._budget.waiting:
                break

    def has_answer(self) -> bool:
        """Return whether any server has responded so far, whatever its answer."""
        return any(
            isinstance(response, DnsMessage) or response.why not in NO_RESPONSE for response in self._responses()
        )

    def agree(self) -> bool:
        """Return whether all have responded, and alike."""
        responses = self._responses()
        return len(responses) == len(self._asked) and are_alike(map(self._answer, responses))

    def referral(self) -> DnsMessage | None:
        """Return a referral, where no server answered with authority."""
        messages = [response for response in self._responses() if isinstance(response, DnsMessage)]
        if any(message.authoritative for message in messages):
            return None
        return next((message for message in messages if message.authority), None)

    def replies(self, view: View) -> tuple[Reply, ...]:
        """Return the reply of each server; all must have responded."""
        zone = name_text(self._cut.zone)
        return tuple(
            Reply(
                perspective=Perspective(view=view, server=name, address=address, zone=zone),
                answer=self._answer(task.result()),
            )
            for (name, address), task in self._asked.items()
        )

    def cancel(self) -> None:
        """Cancel the questions that have no response yet."""
        for task in self._asked.values():
            task.cancel()

    def _answer(self, response: DnsMessage | Unanswered) -> Answer:
        if isinstance(response, Unanswered):
            return response
        answer = self._read.get(id(response))
        if answer is None:
            answer = self._read[id(response)] = server_answer(response, self._query, self._cut.zone)
        return answer

    def _responses(self) -> list[DnsMessage | Unanswered]:
        return [task.result() for task in self._asked.values() if task.done()]


def interleave_addresses(servers: Sequence[Nameserver]) -> list[tuple[str, str]]:
    """Return each server's first address, then each one's second, and so on."""
    deepest = max((len(server.addresses) for server in servers), default=0)
    return [
        (server.name, server.addresses[at]) for at in range(deepest) for server in servers if at < len(server.addresses)
    ]


def are_alike(answers: Iterable[Answer]) -> bool:
    """Return whether these are answers, and all say the same."""
    said = list(answers)
    if said and not isinstance(said[0], Unanswered) and all(each == said[0] for each in said):
        return True
    fingerprints = {fingerprint(answer) for answer in said}
    return len(fingerprints) == 1 and None not in fingerprints
