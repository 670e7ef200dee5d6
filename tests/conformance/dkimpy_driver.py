"""Run dkimpy's own tests with our verifier in the place of its own, in a process of its own; print what came of it.

The folder of dkimpy's source is the first of the path, so that `dkim` is that one.
"""

import json
import sys
import unittest
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dkim
from dkim.tests import test_dkim, test_dkim_ed25519, test_dkim_rsavariants, test_dkim_tlsrpt

from letterhead.core.dkim import verify as ours
from letterhead.core.dkim.signature import parse_signature
from letterhead.core.dns.answers import Answer, NxDomain, Question
from letterhead.core.message.message import parse_message
from tests.core import samples

LookUp = Callable[..., Any]
CONTEXT = ours.VerifyContext(now=datetime(2026, 11, 23, tzinfo=UTC))


def answer(question: Question, look_up: LookUp) -> Answer:
    """Has a test of theirs answer a question; most assert that nothing but one name is asked for."""
    try:
        text = look_up(f"{question.name}.".encode(), timeout=5)
    except AssertionError:
        text = None
    if text is None:
        return NxDomain(negative_ttl=60)
    return samples.found(question.name, "TXT", samples.txt(text.decode("latin-1") if isinstance(text, bytes) else text))


def set_message(self: Any, message: bytes) -> None:
    """Keep the message as it was given."""
    self.as_given = message
    THEIR_SET_MESSAGE(self, message)


def verify(self: Any, idx: int = 0, dnsfunc: LookUp = dkim.get_txt) -> bool:
    """Verify the signature of a number as we do; raise where theirs does and ours is no pass."""
    message = parse_message(self.as_given)
    signatures = message.fields_named("dkim-signature")
    if len(signatures) <= idx:
        return False
    signature = parse_signature(signatures[idx])
    wanted = ours.questions(signature, CONTEXT)
    seen = {each: samples.replies(each.view, answer(each, dnsfunc)) for each in wanted}
    good = ours.verify(message, signature, seen, CONTEXT).judgement.result == "pass"
    try:
        THEIR_VERIFY(self, idx=idx, dnsfunc=dnsfunc)
    except dkim.DKIMException:
        if not good:
            raise
    return good


THEIR_SET_MESSAGE, THEIR_VERIFY = dkim.DomainSigner.set_message, dkim.DKIM.verify


def main() -> None:
    """Run the tests and print how many there are, and the names of those that fail."""
    dkim.DomainSigner.set_message, dkim.DKIM.verify = set_message, verify
    suite = unittest.TestSuite()
    for module in (test_dkim, test_dkim_ed25519, test_dkim_rsavariants, test_dkim_tlsrpt):
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(module))
    run = unittest.TextTestRunner(stream=sys.stderr).run(suite)
    failed = sorted(test.id().partition("dkim.tests.")[2] for test, _ in [*run.failures, *run.errors])
    print(json.dumps({"where": dkim.__file__, "cases": run.testsRun, "failed": failed}))


if __name__ == "__main__":
    main()
