"""Notifications of Amazon SES through Amazon SNS: signatures verified, subscriptions confirmed.

`messages` parses them.
"""

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

CACHED_FOR: Final = timedelta(days=1)  # a certificate, before it is fetched again
CACHED: Final = 16  # certificates
FETCHES, FETCHES_IN = 10, timedelta(minutes=1)  # anybody may write to us, and must not make us send requests at will
# SHA-1 is Amazon's default still (SignatureVersion 1); a topic can be set to 2.
HASHES: Final = {"1": hashes.SHA1, "2": hashes.SHA256}


class SnsNotices:
    """The implementation of `ProviderNotifications` for the messages of some topics."""

    def __init__(self, topics: Collection[str], fetcher: HttpsFetcher, clock: Callable[[], datetime]) -> None:
        self._topics = frozenset(topics)
        self._fetcher, self._clock = fetcher, clock
        self._keys: dict[str, tuple[RSAPublicKey, datetime]] = {}
        self._fetched: deque[datetime] = deque(maxlen=FETCHES)

    async def read(self, body: bytes) -> frozenset[str]:
        """Verify a message and return the domains that it names; confirm a subscription to one of the topics.

        Raise Fault `body-not-json`, `body-invalid` or `notice-refused`, and `too-many-requests` or `provider-failed`
        where it may be sent again.
        """
        message = messages.read(body)
        messages.refuse_stranger(message, self._topics)
        _verify_signature(message, await self._public_key(messages.certificate_of(message)))
        if message.type is Type.SUBSCRIPTION:
            await self._fetch(messages.confirmation_of(message))
        log.info("notice.read", type=message.type.value, topic=message.topic_arn)
        return messages.names_of(message)

    async def _public_key(self, target: WebhookTarget) -> RSAPublicKey:
        place = f"{target.host}{target.path}"
        cached, until = self._keys.get(place, (None, None))
        now = self._clock()
        if cached is not None and until is not None and now < until:
            return cached
        pem = await self._fetch(target)
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            key = certificate.public_key()
        except ValueError as error:
            raise new_refusal("its certificate can't be read") from error
        # That it came over TLS from SNS itself is what makes it SNS's.
        valid = certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc
        if not isinstance(key, RSAPublicKey) or not valid:
            raise new_refusal("its certificate is not valid now, or not of an RSA key")
        while len(self._keys) >= CACHED:
            del self._keys[next(iter(self._keys))]
        self._keys[place] = key, min(certificate.not_valid_after_utc, now + CACHED_FOR)
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
        except FetchFailed as error:
            raise Fault(
                Kind.PROVIDER_FAILED,
                f"{target.host} did not give what verifies or confirms the notice: {error}.",
                f"The machine must reach {target.host} on port 443; Amazon SNS sends the notice again by itself.",
                provider="ses",
            ) from error


def _verify_signature(message: SnsMessage, key: RSAPublicKey) -> None:
    algorithm = HASHES.get(message.signature_version)
    if algorithm is None:
        raise new_refusal("its SignatureVersion is neither 1 nor 2")
    try:
        signature = base64.b64decode(message.signature, validate=True)
        key.verify(signature, messages.signed_text(message), PKCS1v15(), algorithm())
    except (ValueError, InvalidSignature) as error:
        raise new_refusal("its signature is wrong") from error
