"""Key-encryption keys that AWS KMS makes and decrypts.

KMS is asked at a start and never again: what it makes is a key of 32 octets that leaves it encrypted, bound to one id
of one installation (the encryption context). Once decrypted it stays in memory, and KMS may be unreachable. Imported
only where LETTERHEAD_KEYS names a key of KMS: it needs the extra letterhead[ses].
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

CONNECT_SECONDS: Final = 3.0
READ_SECONDS: Final = 5.0
ALL_SECONDS: Final = 15.0  # with the search for credentials, which asks a machine's own metadata service
TRIES: Final = 3
MOST: Final = 300  # characters of a response that are repeated

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
    """Have KMS make a key-encryption key, and return it encrypted; raise Faults as `open_key`."""
    # Without plaintext: what is stored is then opened as at every later start, whichever process stored it first.
    made = await _call(key, "generate_data_key_without_plaintext", KeySpec="AES_256", EncryptionContext=dict(context))
    blob: bytes = made["CiphertextBlob"]
    return blob


async def open_key(key: KmsKey, blob: bytes, context: Mapping[str, str]) -> KeyEncryptionKey:
    """Have KMS decrypt what it made for the same context.

    Raise Fault `unreachable` where it may succeed later, else `keyring-wrong`; the text names id, ARN and AWS's own
    code.
    """
    # By name: KMS would otherwise take the key that the blob names, whoever put that there.
    response = _call(key, "decrypt", CiphertextBlob=blob, EncryptionContext=dict(context))
    secret = Secret((await response)["Plaintext"])  # the octets are in no variable that a traceback would print
    if len(reveal(secret)) != KEY_OCTETS:
        raise _fault(key, "UnknownKey", "it opened something that is no key of ours", transient=False)
    return KeyEncryptionKey(key.id, secret)


async def _call(key: KmsKey, method: str, **parameters: object) -> dict[str, Any]:
    session, config = aws.session(connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS, tries=TRIES)
    try:
        async with (
            asyncio.timeout(ALL_SECONDS),
            session.create_client("kms", region_name=key.region, config=config) as client,
        ):
            answer: dict[str, Any] = await getattr(client, method)(KeyId=key.arn, **parameters)
            return answer
    except ClientError as error:
        details = error.response.get("Error", {})
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        code = str(details.get("Code") or status)
        transient = code not in _ADVICE and (status >= 500 or "Throttl" in code)
        text = str(details.get("Message") or details.get("message") or "")
        raise _fault(key, code, text, transient=transient) from None
    except TimeoutError:
        raise _fault(key, "TimeoutError", f"there was no answer within {ALL_SECONDS:.0f} s", transient=True) from None
    except (BotoCoreError, OSError, ValueError) as error:
        code = type(error).__name__
        said = str(error) if isinstance(error, BotoCoreError) else "the call broke off"
        raise _fault(key, code, said, transient=code not in _ADVICE) from None


def _fault(key: KmsKey, code: str, said: str, *, transient: bool) -> Fault:
    what = f"{code} ({said[:MOST].rstrip(' .')})" if said else code
    reach = f"Start again in a minute; the machine must reach kms.{key.region}.amazonaws.com on port 443."
    return Fault(
        Kind.UNREACHABLE if transient else Kind.KEYRING_WRONG,
        f"AWS KMS does not open the key-encryption key {key.id!r} with {key.arn}: {what}.",
        _ADVICE.get(code, reach if transient else f"AWS's own words say why. {_PERMISSION}"),
        provider="kms",
        provider_code=code,
    )
