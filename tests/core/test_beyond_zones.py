"""Each code that no zone can show fires on what it is about, and on nothing that looks like it."""

import importlib
import pkgutil
from datetime import timedelta

import pytest

import letterhead.core
from letterhead.core.check import catalogue
from letterhead.core.dns.answers import Why
from letterhead.core.domain.evidence import Evidence
from letterhead.core.findings.diagnosis import Diagnosis
from letterhead.core.zone import resolver_outage
from tests.core import beyond_zones
from tests.core.beyond_zones import NOW


@pytest.mark.parametrize(("code", "evidence"), beyond_zones.PROVIDER, ids=lambda each: str(each)[:60])
def test_the_providers_word_gives_one_code(code: str | None, evidence: Evidence) -> None:
    """One cause, one finding, filled in; and none where the provider agrees or is in trouble of its own."""
    findings = beyond_zones.of_provider(evidence)
    assert [each.code for each in findings] == ([code] if code else [])
    assert all("{" not in each.detail + each.fix for each in findings)


def test_a_holder_is_told_of_a_contest_for_a_week() -> None:
    """Who holds a name learns that somebody else asked for it, and not for ever."""
    assert [each.code for each in beyond_zones.of_a_contest(NOW - timedelta(days=6))] == ["claim.contested"]
    assert beyond_zones.of_a_contest(NOW - timedelta(days=8)) == []


def test_one_silent_zone_is_no_outage() -> None:
    """Only where several zones fell silent at once is it ours."""
    assert [each.code for each in beyond_zones.of_an_outage(resolver_outage.SEVERAL)] == ["resolver.outage"]
    assert beyond_zones.of_an_outage(resolver_outage.SEVERAL - 1) == []


@pytest.mark.parametrize("why", [Why.REFUSED, Why.SERVER_FAILURE, Why.TIMEOUT, Why.NO_SERVERS, Why.LAME])
def test_our_resolvers_failure_is_not_the_zones(why: Why) -> None:
    """Where our own resolvers do not tell the way, the domain's registrar and host are not blamed."""
    (finding,) = beyond_zones.of_resolvers(why)
    assert (finding.code, finding.severity) == ("resolver.failed", "inconclusive")
    assert "192.0.2.53" in finding.fix
    assert "registrar" not in finding.fix + finding.detail


def test_a_zone_without_servers_is_the_zones() -> None:
    """Where the zone was found and none of its servers has an address, that is its own trouble."""
    assert [each.code for each in beyond_zones.of_resolvers(Why.NO_SERVERS, "acme.dev")] == ["zone.no-nameservers"]


def test_the_catalogue_has_every_diagnosis() -> None:
    """Whatever the code can say has a page: no diagnosis stands in a module and not in the catalogue."""
    found = pkgutil.walk_packages(letterhead.core.__path__, "letterhead.core.")
    modules = [importlib.import_module(each.name) for each in found]
    there = {value.code for module in modules for value in vars(module).values() if isinstance(value, Diagnosis)}
    assert len(there) > 80
    assert there <= set(catalogue.DIAGNOSES)
