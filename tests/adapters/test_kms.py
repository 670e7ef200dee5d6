"""What AWS KMS says when it does not open a key is told with id, ARN, its own code and what to do, within bounds."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from letterhead.adapters import kms
from letterhead.adapters.keyring_settings import KmsKey
from letterhead.core.secret import reveal
from letterhead.errors import Fault, Kind
from tests.rigs import kms as rig
from tests.rigs.kms import REGION, Kms
from tests.rigs.waiting import is_within

CONTEXT = {"letterhead:installation": "0123", "letterhead:key": "k1"}


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kms]:
    """Run a KMS that this process finds."""
    with rig.running() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield server


def key_at(server: Kms) -> KmsKey:
    """Make a key."""
    return KmsKey("k1", server.key(), REGION)


async def test_a_key_is_made_and_opened(running: Kms) -> None:
    """What KMS made opens to the same 32 octets each time, and two keys are never alike; the octets are not in it."""
    key = key_at(running)
    one, other = await kms.make_key(key, CONTEXT), await kms.make_key(key, CONTEXT)
    first, again = await kms.open_key(key, one, CONTEXT), await kms.open_key(key, one, CONTEXT)
    assert reveal(first.secret) == reveal(again.secret)
    assert len(reveal(first.secret)) == 32
    assert reveal((await kms.open_key(key, other, CONTEXT)).secret) != reveal(first.secret)
    assert reveal(first.secret) not in one
    assert "***" in repr(first)


@pytest.mark.parametrize("other", [{"letterhead:installation": "4567"}, {"letterhead:key": "k2"}])
async def test_a_blob_is_bound_to_id_and_installation(running: Kms, other: dict[str, str]) -> None:
    """Copied to another id or another installation it does not open, with the right key of KMS."""
    key = key_at(running)
    blob = await kms.make_key(key, CONTEXT)
    with pytest.raises(Fault) as caught:
        await kms.open_key(key, blob, CONTEXT | other)
    assert (caught.value.kind, caught.value.provider_code) == (Kind.KEYRING_WRONG, "InvalidCiphertextException")


async def test_the_named_key_opens_it_or_none(running: Kms) -> None:
    """KMS could tell from the blob which key it needs; then whoever writes to the database would choose it."""
    blob = await kms.make_key(key_at(running), CONTEXT)
    with pytest.raises(Fault) as caught:
        await kms.open_key(key_at(running), blob, CONTEXT)
    assert caught.value.kind is Kind.KEYRING_WRONG


@pytest.mark.parametrize(
    ("code", "status", "kind", "words"),
    [
        ("AccessDeniedException", 400, Kind.KEYRING_WRONG, "kms:GenerateDataKeyWithoutPlaintext"),
        ("IncorrectKeyException", 400, Kind.KEYRING_WRONG, "alias"),
        ("NotFoundException", 400, Kind.KEYRING_WRONG, "region"),
        ("DisabledException", 400, Kind.KEYRING_WRONG, "enable-key"),
        ("InvalidKeyUsageException", 400, Kind.KEYRING_WRONG, "SYMMETRIC_DEFAULT"),
        ("UnrecognizedClientException", 400, Kind.KEYRING_WRONG, "get-caller-identity"),
        ("SomethingNewException", 400, Kind.KEYRING_WRONG, "AWS's own words"),
        ("ThrottlingException", 400, Kind.UNREACHABLE, "in a minute"),
        ("KMSInternalException", 500, Kind.UNREACHABLE, "in a minute"),
        ("DependencyTimeoutException", 503, Kind.UNREACHABLE, "in a minute"),
    ],
)
async def test_each_refusal_says_what_to_do(running: Kms, code: str, status: int, kind: Kind, words: str) -> None:
    """Each code of AWS comes with the id, the ARN and its own fix; what passes by itself is told apart."""
    key = key_at(running)
    running.refuse, running.status = code, status
    with pytest.raises(Fault) as caught:
        await kms.open_key(key, b"blob", CONTEXT)
    fault = caught.value
    assert (fault.kind, fault.provider, fault.provider_code) == (kind, "kms", code)
    assert "'k1'" in fault.detail
    assert key.arn in fault.detail
    assert words in str(fault.fix)


async def test_no_credentials(running: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where AWS would not know us that is said, and not that the network is at fault."""
    key = key_at(running)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(Fault) as caught:
        await kms.open_key(key, b"blob", CONTEXT)
    assert caught.value.provider_code == "NoCredentialsError"
    assert "aws sts get-caller-identity" in str(caught.value.fix)


async def test_silence_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A KMS that takes the connection and never answers holds a start up for no longer than is said."""
    monkeypatch.setattr(kms, "ALL_SECONDS", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", f"http://127.0.0.1:{silent.getsockname()[1]}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "testing")
        began = time.monotonic()
        with pytest.raises(Fault) as caught:
            await kms.open_key(KmsKey("k1", f"arn:aws:kms:{REGION}:123456789012:key/none", REGION), b"blob", CONTEXT)
    assert is_within(time.monotonic() - began, 5)
    assert (caught.value.kind, caught.value.provider_code) == (Kind.UNREACHABLE, "TimeoutError")


@pytest.mark.parametrize("call", ["_open_ses(ProviderSetup(clock=None))", "aws.require('LETTERHEAD_KEYS has AWS KMS')"])
def test_without_amazons_client(call: str) -> None:
    """Whoever lacks the extra is told which one, and sees no traceback of an import."""
    code = (
        "import sys; sys.modules['aiobotocore'] = sys.modules['botocore'] = None\n"
        "from letterhead.adapters import aws\n"
        "from letterhead.adapters.providers import ProviderSetup, _open_ses\n"
        "from letterhead.errors import Fault\n"
        f"try: {call}\nexcept Fault as fault: print(fault.kind, fault.fix)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("config-invalid Install the extra `ses`"), done.stderr
