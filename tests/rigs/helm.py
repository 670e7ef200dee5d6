"""Helm's own engine and the API schemas of Kubernetes, which lie in an environment of their own: `./dev` makes it."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.rigs.processes import Missing

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / ".venv-deploy" / "bin" / "python"
CHART = ROOT / "deploy" / "helm" / "letterhead"
OWN_TYPES = ("gateway.networking.k8s.io/", "monitoring.coreos.com/")  # whose schemas Kubernetes does not have
ENGINE = """
import json, sys

import kubernetes_validate
from helm_python.chart import Chart, lint
from helm_python.errors import HelmError

asked = json.load(sys.stdin)
if asked["what"] == "render":
    try:
        chart = Chart.load(asked["chart"])
        chart.validate_schema(asked["values"])
        told = chart.render(asked["values"], name=asked["name"], namespace="mail")
    except HelmError as error:
        told = {"error": str(error)}
elif asked["what"] == "lint":
    told = lint(asked["chart"], asked["values"], strict=True, kube_version="v1.30.0")
else:
    told = []
    for each in asked["objects"]:
        for version in asked["versions"]:
            try:
                kubernetes_validate.validate(each, version, strict=True)
            except Exception as error:
                told.append(f"{each['kind']} {each['metadata']['name']} for {version}: {error}")
json.dump(told, sys.stdout)
"""

Manifest = dict[str, Any]


class NotRendered(Exception):
    """Helm refused the values, or could not render the chart with them."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What Helm makes of one set of values: the text, the objects in it, the notes for the reader."""

    text: str
    objects: list[Manifest]
    notes: str

    def of(self, kind: str) -> list[Manifest]:
        """List the objects of one kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def pods(self) -> list[tuple[Manifest, Manifest]]:
        """List every object that makes pods, with the pod's template."""
        return [(each, each["spec"]["template"]) for each in self.objects if "template" in each.get("spec", {})]


def render(values: Manifest, name: str = "letterhead") -> Rendered:
    """Render the chart; raise NotRendered with what Helm says."""
    told = _ask(what="render", values=values, name=name)
    if "error" in told:
        raise NotRendered(told["error"])
    notes = "".join(text for path, text in told.items() if path.endswith("NOTES.txt"))
    text = "\n---\n".join(text for path, text in sorted(told.items()) if not path.endswith("NOTES.txt"))
    objects = [each for each in yaml.safe_load_all(text) if each]
    return Rendered(text, objects, notes)


def lint(values: Manifest) -> list[str]:
    """Return what `helm lint --strict` finds; information alone is left out."""
    told = _ask(what="lint", values=values)
    return [*map(str, told["errors"]), *(str(each["error"]) for each in told["messages"] if each["severity"] > 1)]


def violations(objects: list[Manifest], versions: list[str]) -> list[str]:
    """List what is against the API schemas of these versions, of every object that Kubernetes itself knows."""
    known = [each for each in objects if not each["apiVersion"].startswith(OWN_TYPES)]
    told: list[str] = _ask(what="validate", objects=known, versions=versions)
    return told


def _ask(**asked: Any) -> Any:
    if not PYTHON.exists():
        raise Missing(f"The tests need {PYTHON}, which is not there: ./dev test brings it.")
    run = subprocess.run(
        [PYTHON, "-c", ENGINE], input=json.dumps(asked | {"chart": str(CHART)}), capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout)
