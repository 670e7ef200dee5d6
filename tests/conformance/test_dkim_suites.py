"""Hold the verification of signatures against the corpus of Perl's Mail::DKIM and against dkimpy's own tests.

The corpus comes with the source of Debian's libmail-dkim-perl, the tests with that of PyPI's dkimpy.
"""

import json
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.conformance.page import hold_row
from tests.core.receiver import judged
from tests.rigs.debian_source import read_source
from tests.rigs.sdist import read_sdist

ROOT = Path(__file__).parents[2]
TARBALL = "libmail-dkim-perl_1.20240923.orig.tar.gz"
CORPUS_SHA256 = "45de46f5dc4d23bcb6ad6401759881dd43968eab20e73f6f79d9557467de20ee"
DKIMPY_SHA256 = "b5f60fb47bbf5d8d762f134bcea0c388eba6b498342a682a21f1686545094b77"

SHA1 = "signed by rsa-sha1 or with a short key, which receivers must not accept (RFC 8301 3)"
DRAFT = "of a draft before RFC 4871, with no v=1, which RFC 6376 3.5 requires"
DOMAINKEYS = "DomainKeys (RFC 4870), which is historic and not DKIM"
TLSRPT = "of dkimpy's mode for reports on TLS (RFC 8460), whose keys are not for mail"
BARE_KEY = "a bare RSAPublicKey in the record, which most verifiers refuse"
# What of Mail::DKIM's corpus we judge otherwise, and why.
CORPUS_DIFFERENCES = {
    **dict.fromkeys(
        [
            *(f"good_ietf00_{number}" for number in range(1, 6)),
            *(f"mine_ietf01_{number}" for number in range(1, 5)),
            *("mine_ietf05_1", "good_ietf01_1", "good_ietf01_2", "multiple_1"),
            *("bad_ietf01_1", "bad_ietf01_2", "bad_ietf01_3", "bad_1", "no_body_1", "no_body_2", "no_body_3"),
        ],
        DRAFT,
    ),
    **dict.fromkeys(
        [
            *("good_rfc4871_3", "good_rfc4871_4", "good_1878523", "good_83176", "multiple_2", "bad_1878954"),
            *(f"good_qp_{number}" for number in range(1, 4)),
            *(f"goodkey_{number}" for number in range(1, 5)),
        ],
        SHA1,
    ),
    **dict.fromkeys(
        [
            *("good_dk_gmail", "good_dk_yahoo", *(f"good_dk_{number}" for number in range(1, 8))),
            *("dk_headers_1", "dk_headers_2", "dk_multiple_1"),
        ],
        DOMAINKEYS,
    ),
}
DKIMPY_DIFFERENCES = {
    "test_dkim.TestSignAndVerify.test_dkim_signature_canonicalization": SHA1,
    "test_dkim_rsavariants.TestSignAndVerify.test_verifiesRSAPublicKey2048": BARE_KEY,
    "test_dkim_rsavariants.TestSignAndVerify.test_verifies_RSAPublicKey1024": BARE_KEY,
    "test_dkim_tlsrpt.TestSignAndVerify.test_tlsrpt_ignore_l_verify": TLSRPT,
    "test_dkim_tlsrpt.TestSignAndVerify.test_tlsrpt_with_strict_no_tlsrptsvc": TLSRPT,
    "test_dkim_tlsrpt.TestSignAndVerify.test_tlsrpt_with_strict_tlsrptsvc": TLSRPT,
    "test_dkim_tlsrpt.TestSignAndVerify.test_tlsrpt_with_tlsrptsvc": TLSRPT,
}
RESULTS = {
    "pass": {"pass"},
    "fail": {"fail"},
    "invalid": {"permerror", "neutral", "policy", "temperror", "fail", "none"},
}


@cache
def corpus() -> dict[str, bytes]:
    """Read the source of Mail::DKIM."""
    return read_source("libmail-dkim-perl", "trixie", TARBALL, CORPUS_SHA256)


def test_mail_dkim_corpus() -> None:
    """Each message is judged as there, but for those that are named with a reason."""
    zone: dict[str, dict[str, list[str]]] = {}
    silent: list[str] = []
    for line in corpus()["t/FAKE_DNS.dat"].decode().splitlines():
        if line.strip() and line[0] not in "#;":
            name, value = line.lower().split(None, 1)[0], line.split(None, 1)[1]
            if value.startswith("~~"):  # DNS does not answer
                silent.append(name)
            elif value != "NXDOMAIN":
                zone.setdefault(name, {}).setdefault("TXT", []).append(value)
    cases = re.findall(r'test_email\(\s*"([^"]+)\.txt",\s*"(\w+)"\s*\)', corpus()["t/verifier.t"].decode())
    differing = set()
    for name, expected in cases:
        found = judged(corpus()[f"t/corpus/{name}.txt"], zone, silent=silent)
        results = [each.verified.judgement.result.value for each in found.dkim]
        ours = "pass" if "pass" in results else next(iter(results), "none")
        if ours not in RESULTS[expected]:
            differing.add(name)
            assert ours != "pass", f"{name} is not good, and passes"
    assert differing == set(CORPUS_DIFFERENCES)
    hold_row("Mail::DKIM corpus", len(cases), differing)


def test_dkimpy_tests(tmp_path: Path) -> None:
    """Its tests of the verifier hold for ours, but for those that are named with a reason."""
    for name, octets in read_sdist("dkimpy", "1.1.8", DKIMPY_SHA256).items():
        if name.startswith("dkim/"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(octets)
    command = [sys.executable, "-m", "tests.conformance.dkimpy_driver"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["where"].startswith(str(tmp_path))
    assert found["failed"] == sorted(DKIMPY_DIFFERENCES), done.stderr[-6000:]
    hold_row("dkimpy, its own tests of the verifier", found["cases"], found["failed"])
