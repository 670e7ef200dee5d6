"""What docs/ses.md says of AWS is what the code needs."""

import json
import re
from pathlib import Path

import pytest

from tests.rigs.ses_wire import MODEL

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "letterhead" / "adapters" / "providers" / "ses"


@pytest.mark.parametrize("tenants", [False, True])
def test_the_policy_is_the_least(tenants: bool) -> None:
    """Each policy allows each action that the code calls, and none that it does not; that of tenants is apart."""
    page = (ROOT / "docs" / "ses.md").read_text("utf-8")
    policies = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    assert len(policies) == 2
    (statement,) = json.loads(policies[tenants])["Statement"]
    files = [path for path in PACKAGE.glob("*.py") if (path.stem == "tenants") is tenants]
    code = "".join(path.read_text("utf-8") for path in files)
    methods = {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): name for name in MODEL.operation_names}
    called = {f"ses:{name}" for method, name in methods.items() if f'"{method}"' in code}
    assert set(statement["Action"]) == called
    assert statement["Action"] == sorted(statement["Action"])
