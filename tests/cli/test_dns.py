"""The credential of a DNS host for `letterhead dns`: from a file, a variable or a terminal, and never an argument."""

import json
import re
from pathlib import Path

import pytest

from letterhead.cli.dns_fields import parse_credential, read_file, require_fields
from letterhead.cli.manual import page
from letterhead.errors import Fault, Kind

TWO = ("keyName", "secret")


@pytest.mark.parametrize(
    ("text", "only", "fields"),
    [
        ('{"keyName": "k.", "secret": "c2VjcmV0"}', None, {"keyName": "k.", "secret": "c2VjcmV0"}),
        ("# mine\nkeyName = k.\nsecret='c2VjcmV0=='\n", None, {"keyName": "k.", "secret": "c2VjcmV0=="}),
        ("abc.def\n", "token", {"token": "abc.def"}),
        ("ab=c\n", "token", {"token": "ab=c"}),
        ("token=ab=c\n", "token", {"token": "ab=c"}),
        ('{"token": "abc"}', "token", {"token": "abc"}),
        ('{"type": "service_account", "n": 1}', "serviceAccount",
         {"serviceAccount": '{"type": "service_account", "n": 1}'}),
    ],
)  # fmt: skip
def test_a_file_is_read_in_each_form(text: str, only: str | None, fields: dict[str, str]) -> None:
    """JSON, lines, or the one thing that a host needs, as it was downloaded."""
    assert parse_credential(text, "file", only) == fields


@pytest.mark.parametrize("text", ["just a token", '{"keyName": 1}', '{"keyName": ', "[1]"])
def test_what_is_no_credential_is_refused_without_being_shown(text: str) -> None:
    """It says what the form is."""
    with pytest.raises(Fault) as caught:
        parse_credential(text, "file")
    assert (caught.value.kind, bool(caught.value.fix)) == (Kind.CONFIG_INVALID, True)
    assert "token" not in caught.value.detail


def test_a_file_names_the_fields_of_its_host() -> None:
    """What is missing is named as the file has it; what is too much may be a secret, and is not shown."""
    fields = [{"name": name, "optional": name == "algorithm"} for name in ("keyName", "algorithm", "secret")]
    host = {"name": "RFC 2136", "fields": fields}
    require_fields(("keyName", "secret"), host, "file")
    for given in (("secret",), ("keyName", "secret", "c2VjcmV0")):
        with pytest.raises(Fault) as caught:
            require_fields(given, host, "file")
        assert "keyName, algorithm, secret" in (caught.value.fix or "")
        assert "c2VjcmV0" not in caught.value.detail
    with pytest.raises(Fault, match="lacks keyName"):
        require_fields(("secret",), host, "file")


def test_no_option_takes_a_secret() -> None:
    """What `ps` shows holds no value of a credential: no option is named as a field of one."""
    section = re.search(r"^### letterhead dns$.*?^### ", page(), re.MULTILINE | re.DOTALL)
    assert section is not None
    options = set(re.findall(r"^\* `(--[\w-]+)", section[0], re.MULTILINE))
    assert {"--host", "--credential", "--yes"} <= options
    assert not options & {"--token", "--secret", "--key", "--api-key", "--password"}


def test_a_file_that_is_too_large_or_not_there_is_refused(tmp_path: Path) -> None:
    """The fault names the file and no octet of it."""
    (tmp_path / "large").write_text(json.dumps({"token": "x" * 70_000}), "utf-8")
    for name in ("large", "missing"):
        with pytest.raises(Fault) as caught:
            read_file(tmp_path / name)
        assert name in caught.value.detail and "xxx" not in caught.value.detail
