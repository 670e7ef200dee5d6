"""What docs/ses.md says of AWS is what the code needs."""

import json
import re
from pathlib import Path

from tests.rigs.ses_wire import MODEL

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "letterhead" / "adapters" / "providers" / "ses"


def test_the_policy_is_the_least() -> None:
    """The policy allows each action that the code calls, and none that it does not."""
    page = (ROOT / "docs" / "ses.md").read_text("utf-8")
    policy = json.loads(re.findall(r"```json\n(.*?)```", page, re.DOTALL)[0])
    (statement,) = policy["Statement"]
    code = "".join(path.read_text("utf-8") for path in PACKAGE.glob("*.py"))
    methods = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): name for name in MODEL.operation_names}
    called = {f"ses:{name}" for method, name in methods.items() if f'"{method}"' in code}
    assert set(statement["Action"]) == called
    assert statement["Action"] == sorted(statement["Action"])
