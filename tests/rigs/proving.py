"""Stands in for the operator's path of proofs: takes them, and holds those that a test lets arrive."""

from letterhead.core.schedule.reminder_mail import Letter
from letterhead.ports.deps import Deps
from letterhead.ports.mail import Handed, Post, Proving

TO = "proof@operator.example"


class Box:
    """Takes proofs, and holds those that have arrived."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.arrived: dict[str, bytes] = {}
        self.looks = 0

    async def send(self, letter: Letter) -> Handed:
        """Takes a letter."""
        self.letters.append(letter)
        return Handed(post=Post.ACCEPTED, said="250 taken")

    async def reach(self) -> Handed:
        """Is there."""
        return Handed(post=Post.ACCEPTED, said="250 here")

    async def find(self, token: str) -> bytes | None:
        """Finds what has arrived."""
        self.looks += 1
        return self.arrived.get(token)


def given_to(deps: Deps, *, readable: bool = True) -> Box:
    """Gives a running installation a path for proofs, and a mailbox that can be read or not."""
    box = Box()
    object.__setattr__(deps, "proving", Proving(to=TO, mailer=box, mailbox=box if readable else None))
    return box
