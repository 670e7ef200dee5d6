"""An API key's text can be told from a typo without the database, and what is stored of it can't be turned back."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from letterhead.core.accounts.api_keys import ALPHABET, Mode, digest, is_well_formed, mask, new_api_key
from letterhead.core.secret import Secret

OCTETS = st.binary(min_size=32, max_size=32)
SOME = bytes(range(32))


def test_known_key() -> None:
    """The same octets make the same key for ever: scanners and stored digests rely on the form."""
    assert new_api_key(Mode.LIVE, SOME) == ("lh_live_CTQj2uNU3MFagCXG9LRKRcwGkBIDlf3vsDI3", "lh_live_CTQj…")


@given(octets=OCTETS, mode=st.sampled_from(Mode))
def test_every_key_is_well_formed(octets: bytes, mode: Mode) -> None:
    """Each key made is 44 characters of the one form, and is recognised."""
    text, _ = new_api_key(mode, octets)
    assert re.fullmatch(r"lh_(live|test)_[0-9A-Za-z]{36}", text)
    assert text.startswith(f"lh_{mode.value}_")
    assert is_well_formed(text)


@given(octets=OCTETS, place=st.integers(8, 43), change=st.integers(1, 61))
def test_every_typo_is_seen(octets: bytes, place: int, change: int) -> None:
    """One wrong character, anywhere, is found without the database."""
    text, _ = new_api_key(Mode.LIVE, octets)
    wrong = ALPHABET[(ALPHABET.index(text[place]) + change) % 62]
    assert not is_well_formed(text[:place] + wrong + text[place + 1 :])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[:-1],
        lambda text: text + "A",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.upper(),
        lambda text: text.replace("lh_live_", "lh_test_"),
        lambda text: text[:-1] + "é",
        lambda text: text[:-1] + "\ud800",
        lambda text: text[:-1] + "٣",  # a digit to str.isdigit, none to us
    ],
)
def test_other_texts_are_no_keys(spoil: Callable[[str], str]) -> None:
    """A cut, padded, recased or relabelled key is no key."""
    text, _ = new_api_key(Mode.LIVE, SOME)
    assert not is_well_formed(spoil(text))


def test_masked_text_tells_little() -> None:
    """A list shows the mode and four characters of the thirty that count."""
    text, shown = new_api_key(Mode.TEST, SOME)
    assert shown == mask(text) == text[:12] + "…"
    assert not is_well_formed(shown)


def test_too_little_chance_is_a_bug() -> None:
    """A key is never made from fewer octets than it has room for."""
    with pytest.raises(ValueError, match="32 random octets"):
        new_api_key(Mode.LIVE, b"short")


def test_digest_needs_the_pepper() -> None:
    """The stored form differs with the token and with the pepper, and shows neither."""
    text, _ = new_api_key(Mode.LIVE, SOME)
    stored = digest(text, Secret(b"p" * 32))
    assert len(stored) == 32
    assert stored == digest(text, Secret(b"p" * 32))
    assert len({stored, digest(text, Secret(b"q" * 32)), digest(text + "x", Secret(b"p" * 32))}) == 3
    assert digest("\ud800", Secret(b"p" * 32)), "a stray surrogate in a header must not be a 500"
