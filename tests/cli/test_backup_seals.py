"""A restore writes only what somebody with a key has sealed."""

import gzip
import json
from pathlib import Path

import pytest

from tests.cli.test_backups import QUIET, backed_up, fill
from tests.rigs.letterhead import Installation


@pytest.fixture(scope="module")
def octets(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a backup."""
    installation = Installation(tmp_path_factory.mktemp("made"), **QUIET)
    fill(installation)
    return backed_up(installation).read_bytes()


@pytest.fixture
def target(tmp_path: Path) -> Installation:
    """Return an installation without a database."""
    folder = tmp_path / "new"
    folder.mkdir()
    return Installation(folder, **QUIET)


def test_a_seal_that_is_no_base64_is_refused(octets: bytes, target: Installation, tmp_path: Path) -> None:
    """It is told as any other harm is."""
    lines = gzip.decompress(octets).splitlines(keepends=True)
    end = json.loads(lines[-1]) | {"seal": "A"}
    path = tmp_path / "backup.gz"
    path.write_bytes(gzip.compress(b"".join(lines[:-1]) + json.dumps(end).encode() + b"\n"))
    refused = target.run("restore", str(path))
    assert ("[archive-invalid]" in refused.stderr, "Traceback" in refused.stderr) == (True, False), refused.stderr
