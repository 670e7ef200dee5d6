"""Knows which messages of Amazon SNS are genuine, and confirms subscriptions; messages.py knows what they say."""

import base64
from collections import deque
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

import structlog
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from letterhead.adapters.https_fetch import FetchFailed, HttpsFetcher
from letterhead.adapters.sns import messages
from letterhead.adapters.sns.messages import SnsMessage, Type, new_refusal
from letterhead.core.public.webhooks import WebhookTarget
from letterhead.errors import Fault, Kind

__all__ = ["SnsNotices"]

log = structlog.get_logger("letterhead.sns")

KEPT_FOR: Final = timedelta(days=1)  # a certificate, before it is fetched again
KEPT: Final = 16  # certificates
FETCHES, FETCHES_IN = 10, timedelta(minutes=1)  # anybody may write to us, and must not make us write to others at will
# SHA-1 is Amazon's default still (SignatureVersion 1); a topic can be set to 2.
HASHES: Final = {"1": hashes.SHA1, "2": hashes.SHA256}


class SnsNotices:
    """Reads the messages of some topics (implements `ports.Notices`)."""

    def __init__(self, topics: Collection[str], fetcher: HttpsFetcher, clock: Callable[[], datetime]) -> None:
        self._topics = frozenset(topics)
        self._fetcher, self._clock = fetcher, clock
        self._keys: dict[str, tuple[RSAPublicKey, datetime]] = {}
        self._fetched: deque[datetime] = deque(maxlen=FETCHES)

    async def read(self, body: bytes) -> frozenset[str]:
        """Verifies a message and lists the domains that it names; confirms a subscription to one of the topics.

        Faults: `body-not-json`, `body-invalid`, `notice-refused`; `too-many-requests`, `provider-failed` where it may
        be sent again.
        """
        message = messages.read(body)
        messages.refuse_stranger(message, self._topics)
        _verify(message, await self._key(messages.certificate_of(message)))
        if message.type is Type.SUBSCRIPTION:
            await self._fetch(messages.confirmation_of(message))
        log.info("notice.read", type=message.type.value, topic=message.topic_arn)
        return messages.names_of(message)

    async def _key(self, target: WebhookTarget) -> RSAPublicKey:
        place = f"{target.host}{target.path}"
        key, until = self._keys.get(place, (None, None))
        now = self._clock()
        if key is not None and until is not None and now < until:
            return key
        key, ends = _key_of(await self._fetch(target), now)
        while len(self._keys) >= KEPT:
            del self._keys[next(iter(self._keys))]
        self._keys[place] = key, min(ends, now + KEPT_FOR)
        return key

    async def _fetch(self, target: WebhookTarget) -> bytes:
        now = self._clock()
        if len(self._fetched) == FETCHES and now - self._fetched[0] < FETCHES_IN:
            raise Fault(
                Kind.TOO_MANY_REQUESTS,
                "Too many notices made us ask Amazon SNS for something within a minute.",
                "Send it again later: Amazon SNS does so by itself.",
                retry_after=int(FETCHES_IN.total_seconds()),
            )
        self._fetched.append(now)
        try:
            return await self._fetcher.get(target)
        except FetchFailed as trouble:
            raise Fault(
                Kind.PROVIDER_FAILED,
                f"{target.host} did not give what verifies or confirms the notice: {trouble}.",
                f"The machine must reach {target.host} on port 443; Amazon SNS sends the notice again by itself.",
                provider="ses",
            ) from trouble


def _key_of(pem: bytes, now: datetime) -> tuple[RSAPublicKey, datetime]:
    """Reads a certificate that is valid now; that it came over TLS from SNS itself is what makes it SNS's."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = certificate.public_key()
    except ValueError as error:
        raise new_refusal("its certificate can't be read") from error
    if not isinstance(key, RSAPublicKey) or not _valid(certificate, now):
        raise new_refusal("its certificate is not valid now, or not of an RSA key")
    return key, certificate.not_valid_after_utc


def _valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _verify(message: SnsMessage, key: RSAPublicKey) -> None:
    algorithm = HASHES.get(message.signature_version)
    if algorithm is None:
        raise new_refusal("its SignatureVersion is neither 1 nor 2")
    try:
        signature = base64.b64decode(message.signature, validate=True)
        key.verify(signature, messages.signed_text(message), PKCS1v15(), algorithm())
    except (ValueError, InvalidSignature) as error:
        raise new_refusal("its signature is wrong") from error
