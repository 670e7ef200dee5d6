"""The Helm chart: rendered by Helm itself, held against Kubernetes' schemas, and what it starts is started here."""

import base64
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
import yaml  # type: ignore[import-untyped]

from letterhead import __version__
from letterhead.config import PREFIX, TABLE, read
from tests.docs.chart import RULES, WITH_PASSWORDS
from tests.install.main_job import run_main_job, wait_for_first_answer
from tests.rigs.dns_lab import RESOLVER, DnsLab
from tests.rigs.helm import CHART, Manifest, NotRendered, Rendered, lint, render, violations
from tests.rigs.letterhead import KEYS, OPERATOR_TOKEN
from tests.rigs.processes import Server, free_port
from tests.rigs.waiting import until

COMMAND = Path(sys.executable).with_name("letterhead")
VERSIONS = ["1.30", "1.34", "1.37"]
BY_NAME = {PREFIX + setting.name: setting for setting in TABLE}
EVERYTHING: Manifest = {
    "image": {"repository": "registry.test/letterhead", "digest": "sha256:" + "0" * 64},
    "imagePullSecrets": [{"name": "registry"}],
    "publicUrl": "https://letterhead.test",
    "settings": {"PROVIDER": "ses", "SES_REGION": "eu-west-1", "SES_TENANTS": True, "KEEP_EVENTS_DAYS": 800},
    "extraEnv": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector.test:4318"},
    "serve": {"autoscaling": {"enabled": True}, "podAnnotations": {"a.test/b": "c"}, "nodeSelector": {"a.test/b": "c"}},
    "worker": {"autoscaling": {"enabled": True}, "tolerations": [{"operator": "Exists"}]},
    "relay": {"enabled": True, "tlsSecret": "relay-tls", "queue": {"storageClass": "fast"}},
    "ingress": {"enabled": True, "host": "letterhead.test", "className": "nginx", "tlsSecret": "web-tls"},
    "httpRoute": {"enabled": True, "parentRefs": [{"name": "gateway"}], "hostnames": ["letterhead.test"]},
    "networkPolicy": {
        "ingressFrom": [{"namespaceSelector": {}}], "metricsFrom": [{"podSelector": {}}],
        "databaseTo": [{"ipBlock": {"cidr": "10.0.0.5/32"}}], "extraEgress": [{"ports": [{"port": 4317}]}],
    },
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}},
    "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/letterhead"}},
}  # fmt: skip
NOTHING: Manifest = {
    "migration": {"enabled": False}, "networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False},
    "serviceAccount": {"create": False}, "fullnameOverride": "mail",
}  # fmt: skip
SETS: dict[str, Manifest] = {
    "defaults": {},
    "everything": EVERYTHING,
    "nothing": NOTHING,
    "pooler": {"settings": {"DATABASE_PREPARED": False}, "networkPolicy": {"databasePort": 6432}},
    "kms": {"settings": {"SES_REGION": "eu-west-1"}, "serviceAccount": {"name": "kms", "annotations": {"a": "b"}}},
    "relay-in-clear": {"relay": {"enabled": True}, "settings": {"RELAY_AUTH_IN_CLEAR": True}},
    "ipv6": {"bindAddress": "[::]", "service": {"type": "LoadBalancer", "annotations": {"a": "b"}}},
}  # fmt: skip


@pytest.fixture(scope="module", params=SETS, ids=str)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    """Render the chart with one set of values."""
    return render(SETS[request.param])


def containers(rendered: Rendered) -> list[Manifest]:
    """List every container of every pod."""
    return [each for _, pod in rendered.pods() for each in pod["spec"]["containers"]]


def variables(container: Manifest, secret: dict[str, str]) -> dict[str, str]:
    """Return the environment of a container, with a Secret that holds these."""
    return {
        each["name"]: each["value"] if "value" in each else secret[each["valueFrom"]["secretKeyRef"]["key"]]
        for each in container["env"]
    }


@pytest.mark.parametrize("values", SETS.values(), ids=SETS)
def test_helm_has_nothing_to_say(values: Manifest) -> None:
    """`helm lint --strict` is silent."""
    assert lint(values) == []


def test_the_chart_is_of_this_version() -> None:
    """Chart and service have one version, which is the image's tag."""
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_kubernetes_takes_it(rendered: Rendered) -> None:
    """Every object is as the API's strict schemas of three versions want it; no field is unknown to them."""
    assert violations(rendered.objects, VERSIONS) == []


def test_the_schemas_refuse_what_is_wrong() -> None:
    """They do notice a field that does not exist, so that silence means something."""
    service = render({}).of("Service")[0]
    service["spec"]["prots"] = []
    assert violations([service], ["1.37"]) != []


def test_every_variable_is_a_setting_and_can_be_read(rendered: Rendered, tmp_path: Path) -> None:
    """Each name is known, none comes twice, none is secret in clear, and the service takes them all together."""
    secret = {
        f"{PREFIX}DATABASE_URL": "postgresql://letterhead@db.test/letterhead", f"{PREFIX}KEYS": KEYS,
        f"{PREFIX}OPERATOR_TOKEN": OPERATOR_TOKEN, f"{PREFIX}RELAY_SMARTHOST": "smtp://smtp.test",
    }  # fmt: skip
    for container in containers(rendered):
        names = [each["name"] for each in container["env"]]
        assert len(names) == len(set(names))
        assert {name for name in names if name not in EVERYTHING["extraEnv"]} <= set(BY_NAME)
        for each in container["env"]:
            if each["name"] in EVERYTHING["extraEnv"]:
                continue
            is_secret = BY_NAME[each["name"]].secret or each["name"].removeprefix(PREFIX) in WITH_PASSWORDS
            assert is_secret == ("valueFrom" in each), each
        assert read(variables(container, secret), tmp_path).data_dir == Path("/var/lib/letterhead")


def test_no_secret_is_in_the_text(rendered: Rendered) -> None:
    """The chart makes no Secret, and refers by name to those that are there."""
    assert rendered.of("Secret") == []
    assert "PRIVATE KEY" not in rendered.text
    assert "postgresql://" not in rendered.text


def test_what_selects_pods_finds_them(rendered: Rendered) -> None:
    """Each Service, budget, policy and spread selects exactly the pods of one kind, and ports lead to named ports."""
    pods = {each["metadata"]["name"]: pod for each, pod in rendered.pods()}

    def selected(labels: dict[str, str]) -> list[Manifest]:
        return [pod for pod in pods.values() if labels.items() <= pod["metadata"]["labels"].items()]

    assert len(rendered.of("Service")) >= 2
    for owner, pod in rendered.pods():
        if owner["kind"] != "Job":
            assert selected(owner["spec"]["selector"]["matchLabels"]) == [pod]
        for spread in pod["spec"]["topologySpreadConstraints"]:
            assert selected(spread["labelSelector"]["matchLabels"]) == [pod]
    for service in rendered.of("Service"):
        (pod,) = selected(service["spec"]["selector"])
        there = {port["name"] for port in pod["spec"]["containers"][0]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= there
    for budget in rendered.of("PodDisruptionBudget"):
        assert len(selected(budget["spec"]["selector"]["matchLabels"])) == 1
    for policy in rendered.of("NetworkPolicy"):
        (pod,) = selected(policy["spec"]["podSelector"]["matchLabels"])
        open_ports = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        own = {port["containerPort"] for port in pod["spec"]["containers"][0].get("ports", [])}
        assert open_ports == own
    for scaler in rendered.of("HorizontalPodAutoscaler"):
        (owner,) = (
            each for each, _ in rendered.pods() if each["metadata"]["name"] == scaler["spec"]["scaleTargetRef"]["name"]
        )
        assert "replicas" not in owner["spec"]
    (services,) = [{each["metadata"]["name"] for each in rendered.of("Service")}]
    for ingress in rendered.of("Ingress"):
        assert ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["name"] in services


def test_each_process_listens_where_its_ports_say(rendered: Rendered) -> None:
    """The ports of a container are those of its settings, and each probe asks one of them."""
    for container in containers(rendered):
        binds = [each["value"] for each in container["env"] if each["name"].endswith("BIND")]
        ports = {port["name"]: port["containerPort"] for port in container.get("ports", [])}
        assert {int(bind.rsplit(":", 1)[1]) for bind in binds} == set(ports.values())
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container.get(probe, {})
            way = asked.get("httpGet") or asked.get("tcpSocket")
            assert (way and way["port"] in ports) or container["name"] == "migration"


def test_pods_may_do_nothing_more_than_they_need(rendered: Rendered) -> None:
    """No root, no capability, no token, nothing to write to but its volumes; limits on memory."""
    assert {each["name"] for each in containers(rendered)} >= {"serve", "worker"}
    for _, pod in rendered.pods():
        spec = pod["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
            }  # fmt: skip
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            assert {mount["mountPath"] for mount in container["volumeMounts"]} >= {"/var/lib/letterhead", "/tmp"}


def test_the_migration_runs_before_everything() -> None:
    """It is a hook of installation and upgrade, and needs nothing that the chart itself makes."""
    (job,) = render({}).of("Job")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    assert "serviceAccountName" not in job["spec"]["template"]["spec"]
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["migrate"]
    assert render(NOTHING).of("Job") == []


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"settings": {"PUBLIC_URI": "x"}}, "PUBLIC_URI"),
        ({"settings": {"KEYS": KEYS}}, "KEYS"),
        ({"settings": {"DATABASE_URL": "postgresql://a:b@c/d"}}, "DATABASE_URL"),
        ({"settings": {"BIND": "127.0.0.1:1"}}, "BIND"),
        ({"secretSettings": ["KEYS"]}, "secretSettings"),
        ({"secretSettings": ["DATABASE_URL", "PROVIDER"]}, "secretSettings"),
        ({"extraEnv": {"LETTERHEAD_KEYS": KEYS}}, "LETTERHEAD_KEYS"),
        ({"replicas": 3}, "replicas"),
        ({"serve": {"replica": 3}}, "replica"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"terminationGracePeriodSeconds": 10}, "terminationGracePeriodSeconds"),
        ({"relay": {"enabled": True}}, "relay.tlsSecret"),
        ({"ingress": {"enabled": True}}, "ingress.host"),
        ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs"),
    ],
)  # fmt: skip
def test_wrong_values_are_refused(values: Manifest, said: str) -> None:
    """A name that is no value, a secret in clear, and what could not work are refused, and the message names it."""
    with pytest.raises(NotRendered, match=said):
        render(values)


def test_the_alert_rules_are_those_of_prometheus() -> None:
    """The object has each group as it stands in deploy/prometheus."""
    (rule,) = render(EVERYTHING).of("PrometheusRule")
    assert rule["spec"]["groups"]
    assert rule["spec"] == yaml.safe_load(RULES.read_text("utf-8"))


def test_no_stranger_names_the_trace() -> None:
    """Behind an Ingress no `traceparent` is believed, and a route takes it away; both until the operator says so."""
    parent = f"{PREFIX}OPENTELEMETRY_PARENT"
    for values, told, removed in (
        ({}, {}, []),
        (EVERYTHING, {parent: "false"}, ["traceparent"]),
        (EVERYTHING | {"settings": {"OPENTELEMETRY_PARENT": True}}, {parent: "true"}, []),
    ):
        rendered = render(values)
        for container in containers(rendered):
            named = {each["name"]: each.get("value") for each in container["env"]}
            assert {name: value for name, value in named.items() if name == parent} == told
        filters = [each for route in rendered.of("HTTPRoute") for each in route["spec"]["rules"][0].get("filters", [])]
        assert [name for each in filters for name in each["requestHeaderModifier"]["remove"]] == removed


class Pod:
    """A container of the chart, as a process of this machine: its command, variables and probes are the chart's."""

    def __init__(self, container: Manifest, secret: dict[str, str], folder: Path, port: int) -> None:
        self.container, self.port = container, port
        folder.mkdir()
        told = variables(container, secret)
        told |= {name: f"127.0.0.1:{port}" for name in told if name.endswith("BIND")}  # one machine for all pods
        told |= {f"{PREFIX}DATA_DIR": str(folder)}
        mine = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        words = [f"{name}={value}" for name, value in (mine | told).items()]
        self.server = Server(["/usr/bin/env", "-i", *words, COMMAND, *container["args"]], folder.with_suffix(".log"))

    def passes(self, probe: str) -> bool:
        """Return whether a probe of the container succeeds now."""
        path = self.container[probe]["httpGet"]["path"]
        try:
            return httpx2.get(f"http://127.0.0.1:{self.port}{path}", trust_env=False, timeout=5).status_code == 200
        except httpx2.HTTPError:
            return False


def replace(old: Pod, start: Callable[[], Pod], container: Manifest, key: str) -> list[str]:
    """Replace a pod as a rollout does while clients ask without a pause, and list the requests that failed."""
    chosen, ended, failed, answered = [old], threading.Event(), list[str](), [0]

    def ask() -> None:
        # Its connections stay open, as those of an ingress controller do.
        with httpx2.Client(trust_env=False, timeout=30, headers={"Authorization": f"Bearer {key}"}) as client:
            while not ended.is_set():
                try:
                    answer = client.get(f"http://127.0.0.1:{chosen[0].port}/domains")
                    answered[0] += 1
                    if answer.status_code != 200:
                        failed.append(answer.text)
                except httpx2.HTTPError as error:
                    failed.append(repr(error))
                time.sleep(0.05)

    clients = [threading.Thread(target=ask) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        new = start()
        until(lambda: new.passes("readinessProbe"))
        ending = time.monotonic()  # from here on the proxies may still send to the old one
        time.sleep(container["lifecycle"]["preStop"]["sleep"]["seconds"] / 2)
        chosen[0] = new
        time.sleep(container["lifecycle"]["preStop"]["sleep"]["seconds"] - (time.monotonic() - ending))
        old.server.signal(signal.SIGTERM)
        assert old.server.ended() == 0
        until(lambda: new.passes("readinessProbe"))
    finally:
        ended.set()
        for client in clients:
            client.join()
    assert answered[0] > 0
    return failed


@pytest.mark.timeout(180)
def test_a_rollout_of_what_it_starts_fails_no_request(lab: DnsLab, postgres_url: str, tmp_path: Path) -> None:
    """The migration, then API and worker by the chart's own words; the API is replaced as Kubernetes replaces it.

    The part of the Service's proxy is played: it sends each request to a pod that is ready and does not end, and
    learns of the end only after a second, within the sleep before the pod is told to stop.
    """
    zone = lab.zone("helm.test")
    secret = {
        f"{PREFIX}DATABASE_URL": postgres_url, f"{PREFIX}OPERATOR_TOKEN": OPERATOR_TOKEN,
        f"{PREFIX}KEYS": "k1:" + base64.b64encode(os.urandom(32)).decode(),
    }  # fmt: skip
    resolver = f"{RESOLVER}:{lab.resolver_port}"
    more = {"DNS_RESOLVERS": resolver, "DNS_AUTHORITATIVE_PORT": lab.authoritative_port, "ALLOW_SPECIAL_USE": True}
    chart = render({"settings": more, "preStopSeconds": 2})
    made = {container["name"]: container for container in containers(chart)}
    pods: list[Pod] = []

    def start(name: str) -> Pod:
        pod = Pod(made[name], secret, tmp_path / f"{name}-{len(pods)}", free_port("127.0.0.1"))
        pods.append(pod)
        return pod

    try:
        assert start("migration").server.ended() == 0
        old, worker = start("serve"), start("worker")
        wait_for_first_answer(f"http://127.0.0.1:{old.port}", time.monotonic())
        until(lambda: old.passes("readinessProbe") and worker.passes("readinessProbe"))
        headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
        url = f"http://127.0.0.1:{old.port}"
        account = {"name": "Acme", "email": "it@acme.test"}
        key = httpx2.post(f"{url}/accounts", json=account, headers=headers, trust_env=False).json()["key"]
        run_main_job(url, key, lab, zone)
        assert replace(old, lambda: start("serve"), made["serve"], key) == []
    finally:
        for pod in pods:
            pod.server.stop()
