"""What is to be done about an identity of SES: nothing that could leave mail without an aligned pass."""

from typing import Any

import pytest

from letterhead.core.imports.plan import ImportAction
from letterhead.core.imports.ses import plan_identity

PLAIN: dict[str, Any] = {
    "sender": "acme.dev", "isOurs": False, "isProvidersKey": True, "dkimSaid": "SUCCESS", "selector": "abc",
    "mailFrom": "bounce.acme.dev", "mailFromSaid": "SUCCESS",
}  # fmt: skip
HERE = {"acme.dev": "lh1"}
SAME = "bounce.acme.dev"  # the MAIL FROM domain at SES
PROVEN = {"accountId": "acc_1"}


@pytest.mark.parametrize(
    ("more", "present", "mail_from", "accepts_gap", "action", "why"),
    [
        ({}, {}, SAME, False, ImportAction.ADD, "keeps its MAIL FROM domain bounce.acme.dev"),
        ({"mailFrom": "bounce.other.test"}, {}, SAME, False, ImportAction.ADD, "publish its DKIM record"),
        ({}, HERE, SAME, False, ImportAction.WAIT, "publish its DKIM record"),
        (PROVEN, HERE, SAME, False, ImportAction.ADOPT, "a key that SES made"),
        (PROVEN | {"isProvidersKey": False}, HERE, SAME, False, ImportAction.ADOPT, "it signs with abc now"),
        (PROVEN | {"mailFromSaid": "PENDING"}, HERE, SAME, False, ImportAction.WAIT, "without a signature"),
        (PROVEN | {"mailFrom": None}, HERE, SAME, False, ImportAction.WAIT, "without a signature"),
        (PROVEN | {"mailFrom": "b.other.test"}, HERE, SAME, False, ImportAction.WAIT, "without a signature"),
        (PROVEN, HERE, "mail.acme.dev", False, ImportAction.WAIT, "publish the records of mail.acme.dev"),
        (PROVEN, HERE, "", False, ImportAction.WAIT, "acme.dev has none here"),
        (PROVEN, HERE, "mail.acme.dev", True, ImportAction.ADOPT, "with lh1 after"),
        (PROVEN | {"mailFrom": None}, HERE, SAME, True, ImportAction.ADOPT, "with lh1 after"),
        ({"isOurs": True, "owner": "i/a/d"}, HERE, SAME, True, ImportAction.KEEP, ""),
        ({"owner": "x/a/d"}, {}, SAME, True, ImportAction.REFUSE, "another installation"),
        ({"accountId": "acc_2"}, {}, SAME, True, ImportAction.REFUSE, "acc_2"),
    ],
)
def test_each_identity_has_its_action(
    more: dict[str, Any], present: dict[str, str], mail_from: str, accepts_gap: bool, action: ImportAction, why: str
) -> None:
    """Added first, adopted when it is proven and DMARC can pass; what is another's is refused."""
    here = {"acme.dev": mail_from or None}
    planned = plan_identity(PLAIN | more, "acc_1", present, here, accepts_gap=accepts_gap)
    assert (planned.action, why in planned.why) == (action, True), planned.why
    keeps = action is ImportAction.ADD and "keeps" in planned.why
    assert planned.mail_from == ("bounce.acme.dev" if keeps else None)
