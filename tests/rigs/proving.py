"""Stands in for the operator's path of proofs: takes them, and holds those that a test lets arrive."""

from letterhead.core.schedule.reminder_mail import Email
from letterhead.ports.deps import Deps
from letterhead.ports.mail import DeliveryResult, ProofSetup, SendResult

TO = "proof@operator.example"


class Box:
    """Takes proofs, and holds those that have arrived."""

    def __init__(self) -> None:
        self.letters: list[Email] = []
        self.arrived: dict[str, bytes] = {}
        self.looks = 0

    async def send(self, letter: Email) -> SendResult:
        """Takes a letter."""
        self.letters.append(letter)
        return SendResult(result=DeliveryResult.ACCEPTED, said="250 taken")

    async def try_connection(self) -> SendResult:
        """Is there."""
        return SendResult(result=DeliveryResult.ACCEPTED, said="250 here")

    async def find(self, token: str) -> bytes | None:
        """Finds what has arrived."""
        self.looks += 1
        return self.arrived.get(token)


def given_to(deps: Deps, *, readable: bool = True) -> Box:
    """Gives a running installation a path for proofs, and a mailbox that can be read or not."""
    box = Box()
    object.__setattr__(deps, "proofs", ProofSetup(to=TO, mailer=box, mailbox=box if readable else None))
    return box
