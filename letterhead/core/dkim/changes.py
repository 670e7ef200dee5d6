"""What became of a message after it was signed: which part was changed, what was added, and who handed it on.

A signature tells only that something was changed. What most often is, is undone here, one at a time: where the
signature is good then, the cause is certain.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import msgspec
from msgspec.structs import replace

from letterhead.core.dkim.signature import ENCODED_WORD, Signature, head_octets
from letterhead.core.message.auth_result import AuthResult, ResultCode, to_sentence
from letterhead.core.message.envelope import Organisation, organisations_passed
from letterhead.core.message.message import HeaderField, Message

IsSigned = Callable[[bytes], bool]  # whether the key made this signature over these octets of a header
MOST_TRIES: Final = 12
MOST_HEAD: Final = 20_000  # octets of a header that is tried more than once
_LIST_TAG: Final = re.compile(rb"([Ss]ubject[ \t]*:(?:\s*Re:)?\s*)(\[[^\]\r\n]{1,60}\]) ?")
_LIST_NAME: Final = re.compile(r"<([^<>\s]{1,200})>")
_ADDED_BY_LISTS: Final = (
    *("sender", "reply-to", "list-id", "list-post", "list-help", "list-unsubscribe", "list-subscribe", "list-owner"),
    *("list-archive", "list-unsubscribe-post", "precedence"),
)
# Fields with no free text, in which an encoded word may not stand (RFC 2047 5).
_UNENCODED: Final = frozenset(
    {"date", "message-id", "in-reply-to", "references", "mime-version", "content-type", "content-transfer-encoding"}
)


class _Cause(msgspec.Struct, frozen=True, kw_only=True):
    """What was done to the header: `added` are the names of fields, `tag` is what was put before the subject."""

    added: tuple[str, ...] = ()
    tag: str = ""


def explain_failure(
    message: Message, signature: Signature, *, is_signed: IsSigned, body_is_good: bool, organisation: Organisation
) -> AuthResult:
    """Return why a signature fails that the key at hand may have made."""
    header_is_good = is_signed(head_octets(message, signature))
    cause = None if header_is_good else _cause(message, signature, is_signed)
    parts: list[str] = []
    if not header_is_good:
        parts.append(_header_change(message, signature, cause))
    if not body_is_good:
        parts.append("the body was changed on the way: its hash is not the one that was signed (bh=)")
    if cause is not None and cause.added and not cause.tag and body_is_good:
        parts.append("nothing that was signed was changed")
    handed_on = _who_handed_on(message, signature, organisation)
    why = to_sentence("; ".join(parts))
    if handed_on:
        why = f"{why} {to_sentence(handed_on)}"
    return AuthResult(result=ResultCode.FAIL, why=why, fix=_fix(message, cause, handed_on, header_is_good))


def mailing_list(message: Message) -> str | None:
    """Return the name of the mailing list that a message came by, from List-Id or List-Post (RFC 2919, RFC 2369)."""
    for name in ("list-id", "list-post"):
        for field in message.fields_named(name):
            hit = _LIST_NAME.search(field.text)
            return (hit[1] if hit else field.text)[:200].removeprefix("mailto:")
    return None


def is_above(message: Message, field: HeaderField, signature: Signature) -> bool:
    """Return whether a field stands above a signature: servers put what they add on top."""
    for each in message.fields:
        if each is signature.field:
            return False
        if each is field:
            return True
    return False


# --- the header ------------------------------------------------------------------------------------------------


def _cause(message: Message, signature: Signature, is_signed: IsSigned) -> _Cause | None:
    """Return the change that, undone, makes the signature good; None where none of those tried does."""
    if sum(len(field.raw) for field in message.fields) > MOST_HEAD:
        return None
    for tried, (cause, undone) in enumerate(_causes(message, signature)):
        if tried >= MOST_TRIES:
            break
        if is_signed(head_octets(undone, signature)):
            return cause
    return None


def _causes(message: Message, signature: Signature) -> Iterator[tuple[_Cause, Message]]:
    """Yield what may have been done to the header, with the message as it was before."""
    signed = set(signature.signed)
    above = [field for field in message.fields if field.name in signed and is_above(message, field, signature)]
    by_lists = [
        message.fields_named(name)[0] for name in _ADDED_BY_LISTS if name in signed and message.fields_named(name)
    ]
    untagged, tag = _without_list_tag(message)
    if tag:
        yield _Cause(tag=tag), untagged
    for fields in filter(None, (above, by_lists)):
        added = tuple(dict.fromkeys(field.name for field in fields))
        yield _Cause(added=added), _without(message, fields)
        if tag:
            yield _Cause(added=added, tag=tag), _without(untagged, fields)
    for name in dict.fromkeys(signature.signed):
        there = message.fields_named(name)
        if there and name != "from":
            yield _Cause(added=(name,)), _without(message, [there[0]])
            if tag and name != "subject":
                yield _Cause(added=(name,), tag=tag), _without(untagged, [there[0]])


def _without(message: Message, fields: list[HeaderField]) -> Message:
    return replace(message, fields=tuple(each for each in message.fields if not any(each is one for one in fields)))


def _without_list_tag(message: Message) -> tuple[Message, str]:
    """Return the message without the [tag] before its subject, and the tag; it is empty where there is none."""
    for field in message.fields_named("subject"):
        hit = _LIST_TAG.match(field.raw)
        if hit is not None:
            plain = replace(field, raw=hit[1] + field.raw[hit.end() :])
            fields = tuple(plain if each is field else each for each in message.fields)
            return replace(message, fields=fields), hit[2].decode("utf-8", "replace")
    return message, ""


def _header_change(message: Message, signature: Signature, cause: _Cause | None) -> str:
    if cause is None:
        fields = ", ".join(dict.fromkeys(signature.signed))[:200]
        either = "" if signature.algorithm.startswith("rsa") else ", or it was signed by another key"
        what = f"a signed header field was changed on the way{either}. Signed are: {fields}"
        doubled = _perhaps_added(message, signature)
        if doubled:
            what += f". {_titles(doubled)} may have been added: h= names as many as there are"
        encoded = [name for name in dict.fromkeys(signature.signed) if _is_encoded(message, name)]
        return f"{what}. {_titles(encoded)} was rewritten as encoded words (=?…?=)" if encoded else what
    said: list[str] = []
    if cause.added:
        verb, them = ("was", "it") if len(cause.added) == 1 else ("were", "them")
        said.append(f"{_titles(cause.added)} {verb} added on the way, although the signature seals {them} (h=)")
    if cause.tag:
        said.append(f"a signed header field was changed on the way: “{cause.tag}” was put before the subject")
    return "; ".join(said)


def _perhaps_added(message: Message, signature: Signature) -> list[str]:
    """Return the fields that are there as often as `h=` names them, though it names more than one, or stand on top.

    A signer that seals a field names it once more than it is there (RFC 6376 8.15).
    """
    named, there = Counter(signature.signed), Counter(field.name for field in message.fields)
    return [
        name
        for name in dict.fromkeys(signature.signed)
        if there[name] >= named[name] > 0
        and (named[name] > 1 or is_above(message, message.fields_named(name)[0], signature))
    ]


def _is_encoded(message: Message, name: str) -> bool:
    texts = [field.text for field in message.fields_named(name)]
    return name in _UNENCODED and any(ENCODED_WORD.search(text) for text in texts)


def _titles(names: tuple[str, ...] | list[str]) -> str:
    """Return names of fields as they are usually written, joined to one phrase."""
    titles = [name.title().replace("-Id", "-ID" if name == "message-id" else "-Id") for name in names]
    return " and ".join(filter(None, (", ".join(titles[:-1]), titles[-1])))


# --- who, and what to do ---------------------------------------------------------------------------------------


def _who_handed_on(message: Message, signature: Signature, organisation: Organisation) -> str:
    """Return a clause on who handed the message on after it was signed; empty where nobody else did."""
    name = mailing_list(message)
    if name is not None:
        return f"it came by the mailing list {name}"
    above = tuple(field for field in message.fields if is_above(message, field, signature))
    passed = organisations_passed(replace(message, fields=above), organisation)
    return f"after it was signed, {passed[0]} handed it on (Received)" if len(passed) > 1 else ""


def _fix(message: Message, cause: _Cause | None, handed_on: str, header_is_good: bool) -> str:
    is_list = mailing_list(message) is not None
    if cause is not None and cause.added and not cause.tag:
        who = "the list" if is_list else "what adds a field"
        return (
            f"Let {who} leave {_titles(cause.added)} as the signer left it, or have the signer not seal it: "
            f"h= should name {_titles(cause.added)} only where the message has it."
        )
    if is_list:
        return (
            "Have the list put its own address into From, or leave subject and body as they are; at your signer there "
            "is nothing to mend."
        )
    if handed_on:
        return "Have whoever handed it on change nothing that is signed; at your signer there is nothing to mend."
    if header_is_good:
        return "Sign as the last step, after whatever adds footers, rewrites links or converts the encoding."
    return "Sign as the last step: look for what changes the subject, the addresses or their line breaks after it."
