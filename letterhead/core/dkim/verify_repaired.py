"""The verification of a signature over a message whose copy is damaged, with the damage undone."""

from collections.abc import Iterator

from msgspec.structs import replace

from letterhead.core.dkim.signature import Signature, parse_signature
from letterhead.core.dkim.verify import SignatureVerification, VerifyContext, verify
from letterhead.core.dns.answers import Seen
from letterhead.core.message.auth_result import AuthResult, ResultCode
from letterhead.core.message.copies import DAMAGES, CopyDamage
from letterhead.core.message.message import Message


def verify_repaired(
    message: Message, signature: Signature, seen: Seen, context: VerifyContext
) -> SignatureVerification | None:
    """Verify a signature that failed over the message as it was before it was copied; None where that does not help."""
    at = message.fields.index(signature.field)
    for why, repaired in _repaired(message):
        field = repaired.fields[at]
        verified = verify(repaired, parse_signature(field), seen, context)
        if verified.judgement.result is ResultCode.PASS:
            judgement = AuthResult(
                result=ResultCode.PASS,
                why=f"The copy of the message is damaged: {why}. With that undone, the signature is good.",
                fix="Take the message's source by another way. If the receiver's own Authentication-Results say "
                "dkim=fail, it was damaged before it arrived: look for the server that changes it.",
            )
            return replace(verified, judgement=judgement)
    return None


def _repaired(message: Message) -> Iterator[tuple[str, Message]]:
    """Yield the message with each damage of copies undone that it shows, then with all of them."""
    shown: list[str] = []
    whole = message
    for damage in DAMAGES:
        repaired = _undo(message, damage)
        if repaired != message:
            yield damage.why, repaired
            shown.append(damage.why)
            whole = _undo(whole, damage)
    if len(shown) > 1:
        yield "; ".join(shown), whole


def _undo(message: Message, damage: CopyDamage) -> Message:
    # A field's last line end is not in `raw`, and the damage may lie before it.
    raws = [damage.undo(field.raw + b"\r\n").removesuffix(b"\r\n") for field in message.fields]
    fields = tuple(replace(field, raw=raw) for field, raw in zip(message.fields, raws, strict=True))
    return replace(message, fields=fields, body=damage.undo(message.body))
