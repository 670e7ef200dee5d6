"""Make what follows from the settings in the Helm chart's schema, and the table of its values in the docs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from letterhead.config import TABLE

CHART = Path(__file__).parents[2] / "deploy" / "helm" / "letterhead"
PAGE = Path(__file__).parents[2] / "docs" / "install" / "kubernetes.md"
RULES = Path(__file__).parents[2] / "deploy" / "prometheus" / "letterhead.rules.yml"
BEGIN, END = "<!-- written by ./dev docs -->\n", "<!-- so far -->"
WITH_PASSWORDS = {"DATABASE_URL", "DATABASE_READ_URL"}  # not secret as a whole: `letterhead config` shows the host
SET_BY_THE_CHART = {
    "BIND", "DATA_DIR", "LOG_FORMAT", "PUBLIC_URL", "RELAY_BIND", "RELAY_CERTIFICATE", "RELAY_CERTIFICATE_KEY",
    "RELAY_METRICS_BIND", "RELAY_QUEUE", "RELAY_TLS_BIND", "WORKER_METRICS_BIND",
}  # fmt: skip


def schema() -> str:
    """Return values.schema.json with the settings of this version: which may be plain, and which must be secret."""
    document = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    secret = {setting.name for setting in TABLE if setting.secret} | WITH_PASSWORDS
    plain = {setting.name for setting in TABLE} - secret - SET_BY_THE_CHART
    document["properties"]["settings"]["propertyNames"]["enum"] = sorted(plain)
    document["properties"]["secretSettings"]["items"]["enum"] = sorted(secret)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def rules() -> str:
    """Return the alert rules of deploy/prometheus: a chart reads files of its own folder alone, and follows no link."""
    return RULES.read_text("utf-8")


def page() -> str:
    """Return docs/install/kubernetes.md with the table of all values."""
    text = PAGE.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    values = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))
    rows = [f"| `{name}` | {default} | {what} |\n" for name, default, what in _rows(json.loads(schema()), values, "")]
    return f"{before}{BEGIN}| value | default | what it is |\n|---|---|---|\n{''.join(rows)}\n{END}{after}"


def _rows(node: dict[str, Any], values: Any, above: str) -> Iterator[tuple[str, str, str]]:
    for name, inside in node["properties"].items():
        path = f"{above}{name}"
        if "properties" in inside:
            yield f"{path}", "", inside["description"]
            yield from _rows(inside, values[name], f"{path}.")
        else:
            default = json.dumps(values[name], ensure_ascii=False)
            yield path, f"`{default}`", inside["description"]
