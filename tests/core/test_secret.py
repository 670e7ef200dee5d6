"""What may be a piece of a key is cut out of texts; names, ids and words stay."""

import base64

import pytest

from letterhead.core.secret import Secret, redact_keys

LINE = base64.b64encode(bytes(range(130, 178))).decode()


@pytest.mark.parametrize(
    "text",
    [
        "'mail.acme.dev' is not a selector.", "ConcurrentModificationException", "acc_01a20876e42552cddd779d8e68f38996",
        "3b18e312-49b4-4699-a384-297d0ed00d64", "xn--bcher-kva.xn--verlngert-12a.example",
        "LETTERHEAD_ROTATE_DKIM_DAYS", "DELETE /domains/{sender}/dkim-rotation", "2026-11-23T12:52:25.056477Z",
    ],
)  # fmt: skip
def test_what_is_no_key_stays(text: str) -> None:
    """Names, ids, codes, settings, paths and times are told as they are."""
    assert redact_keys(text) == text


@pytest.mark.parametrize("cut", [20, 24, 64])
def test_what_may_be_a_key_goes(cut: int) -> None:
    """All but the first few characters, wherever it stands."""
    piece = LINE[:cut]
    for text in (piece, f"'{piece}' is not a selector.", f"/domains/{piece}"):
        assert piece[7:] not in redact_keys(text)
    assert redact_keys(f"'{LINE}…' is not") == f"'{LINE[:6]}……' is not"


def test_a_secret_shows_nothing() -> None:
    """Neither as text, nor formatted, nor in a list."""
    secret = Secret(b"something")
    assert [f"{secret}", str(secret), f"{[secret]}", f"{secret:>5}"] == ["***", "***", "[***]", "***"]
