"""Knows how AWS KMS makes and opens a key-encryption key; knows neither what that key wraps nor where its blob lies.

KMS is asked at a start and never again: what it makes is a key of 32 octets that leaves it encrypted, bound to one id
of one installation (the encryption context). Once opened it stays in memory, and KMS may be away. Imported only where
LETTERHEAD_KEYS names a key of KMS: it wants the extra letterhead[ses].
"""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from letterhead.adapters import aws
from letterhead.adapters.keyring_settings import KEY_OCTETS, WHERE, KeyEncryptionKey, KmsKey
from letterhead.core.secret import Secret, reveal
from letterhead.errors import Fault, Kind

CONNECT_WITHIN: Final = 3.0  # seconds
ANSWER_WITHIN: Final = 5.0
ALL_WITHIN: Final = 15.0  # with the search for credentials, which asks a machine's own metadata service
TRIES: Final = 3
MOST: Final = 300  # characters of an answer that are repeated

_PERMISSION: Final = (
    "Allow kms:Decrypt and kms:GenerateDataKeyWithoutPlaintext on this key to the service's AWS user or role, in the "
    "key's own policy too; docs/keys.md has the policy."
)
_CREDENTIALS: Final = "Check the credentials: `aws sts get-caller-identity` must work in the service's own environment."
_CLOCK: Final = f"{_CREDENTIALS} The machine's clock must be right too."
_OTHER_KEY: Final = (
    "An alias may lead to another key by now: put the ARN of the key that it led to into its place. To change keys "
    f"give the new one an id of its own, before this one in {WHERE}, and run `letterhead keys rewrap`."
)
_ADVICE: Final[Mapping[str, str]] = MappingProxyType(
    {
        "AccessDeniedException": f"{_PERMISSION} AWS says the same where the id was kept by another key before.",
        "IncorrectKeyException": _OTHER_KEY,
        "NotFoundException": f"Check account, region and key in the ARN, in {WHERE}; a deleted key never comes back.",
        "DisabledException": "Enable the key: aws kms enable-key --key-id <its ARN>.",
        "KMSInvalidStateException": "Bring the key back: aws kms cancel-key-deletion, then aws kms enable-key.",
        "InvalidKeyUsageException": "Take a symmetric key for encryption (KeySpec SYMMETRIC_DEFAULT).",
        "InvalidCiphertextException": "What the database holds for this id was altered, or made for another id or "
        "another installation: restore the row from a backup, or give the key an id of its own.",
        "UnrecognizedClientException": _CREDENTIALS,
        "InvalidSignatureException": _CLOCK,
        "ExpiredTokenException": "Renew the temporary credentials, or use a role that renews itself.",
        "NoCredentialsError": _CREDENTIALS,
        "CredentialRetrievalError": _CREDENTIALS,
        "PartialCredentialsError": _CREDENTIALS,
    }
)


async def make_key(key: KmsKey, context: Mapping[str, str]) -> bytes:
    """Has KMS make a key-encryption key, and gives it as only KMS can open it; Faults as for `opened`."""
    # Without plaintext: what is stored is then opened as at every later start, whichever process stored it first.
    made = await _asked(key, "generate_data_key_without_plaintext", KeySpec="AES_256", EncryptionContext=dict(context))
    blob: bytes = made["CiphertextBlob"]
    return blob


async def open_key(key: KmsKey, blob: bytes, context: Mapping[str, str]) -> KeyEncryptionKey:
    """Has KMS open what it made for the same context.

    Faults name id, ARN and AWS's own code: `unreachable` where it may go better later, else `keyring-wrong`.
    """
    # By name: KMS would otherwise take the key that the blob names, whoever put that there.
    asked = _asked(key, "decrypt", CiphertextBlob=blob, EncryptionContext=dict(context))
    secret = Secret((await asked)["Plaintext"])
    if len(reveal(secret)) != KEY_OCTETS:
        raise _fault(key, "UnknownKey", "it opened something that is no key of ours", passes=False)
    return KeyEncryptionKey(key.id, secret)


async def _asked(key: KmsKey, method: str, **parameters: object) -> dict[str, Any]:
    session, config = aws.session(connect_within=CONNECT_WITHIN, answer_within=ANSWER_WITHIN, tries=TRIES)
    try:
        async with (
            asyncio.timeout(ALL_WITHIN),
            session.create_client("kms", region_name=key.region, config=config) as client,
        ):
            answer: dict[str, Any] = await getattr(client, method)(KeyId=key.arn, **parameters)
            return answer
    except ClientError as error:
        raise _refusal(key, error) from None
    except TimeoutError:
        raise _fault(key, "TimeoutError", f"there was no answer within {ALL_WITHIN:.0f} s", passes=True) from None
    except (BotoCoreError, OSError, ValueError) as error:
        code = type(error).__name__
        said = str(error) if isinstance(error, BotoCoreError) else "the call broke off"
        raise _fault(key, code, said, passes=code not in _ADVICE) from None


def _refusal(key: KmsKey, error: ClientError) -> Fault:
    told = error.response.get("Error", {})
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code = str(told.get("Code") or status)
    passes = code not in _ADVICE and (status >= 500 or "Throttl" in code)
    return _fault(key, code, str(told.get("Message") or told.get("message") or ""), passes=passes)


def _fault(key: KmsKey, code: str, said: str, *, passes: bool) -> Fault:
    words = f"{code} ({said[:MOST].rstrip(' .')})" if said else code
    reach = f"Start again in a minute; the machine must reach kms.{key.region}.amazonaws.com on port 443."
    return Fault(
        Kind.UNREACHABLE if passes else Kind.KEYRING_WRONG,
        f"AWS KMS does not open the key-encryption key {key.id!r} with {key.arn}: {words}.",
        _ADVICE.get(code, reach if passes else f"AWS's own words say why. {_PERMISSION}"),
        provider="kms",
        provider_code=code,
    )
