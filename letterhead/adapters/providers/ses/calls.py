"""Calls of AWS: each try waits for a slot of the shared rate, and is repeated where that may help.

One try more can come from below: aiohttp repeats a GET, PUT or DELETE at once where the connection is reset.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from letterhead.adapters.provider_setup import READS, RateSlot
from letterhead.adapters.providers.ses.faults import BUDGET, SesError

TRIES: Final = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds
NONSENSE: Final = "UnreadableAnswer"
# What botocore's parser raises where JSON is of another form than its model says, or too deep for it.
PARSER_ERRORS: Final = (AttributeError, TypeError, LookupError, RuntimeError)

AwsShape = TypeVar("AwsShape")


class AwsCalls:
    """The calls of one AWS service; every failure is a `SesError`, every response is converted to a checked shape.

    `account` names the rate that all processes share, `pause` replaces waiting in tests.
    """

    def __init__(
        self,
        client: Any,  # botocore makes its methods at run time
        wait_for_slot: RateSlot,
        account: str,
        pause: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._client = client
        self._wait_for_slot = wait_for_slot
        self._account = account
        self._pause = pause or asyncio.sleep

    async def __call__(self, method: str, shape: type[AwsShape], patience: float, /, **parameters: object) -> AwsShape:
        """Call one method and return its response; wait at most `patience` seconds for a slot, for each try.

        Raise `SesError`.
        """
        for tried in range(TRIES):
            wait = await self._wait_for_slot(self._account, patience)
            if wait is None:
                raise SesError(BUDGET, "the calls that this service may make are taken for now", wait=patience)
            if wait > 0:
                await self._pause(wait)
            try:
                return await self._call_once(method, shape, parameters)
            except SesError as error:
                if not error.is_transient or tried == TRIES - 1:
                    raise
            # Full jitter: SES never sends Retry-After, and callers refused at once must not return at once.
            longest = min(FIRST_PAUSE * 2**tried, LONGEST_PAUSE)
            await self._pause(random.uniform(0, longest))  # noqa: S311 not a secret
        raise AssertionError("the last try returned or raised")

    async def wait_for_read(self, patience: float) -> None:
        """Wait for a slot in the rate of reads, so that reads leave a quarter of all calls to what sets domains up.

        Raise `SesError` where that takes longer than `patience` seconds.
        """
        wait = await self._wait_for_slot(f"{self._account}{READS}", patience)
        if wait is None:
            raise SesError(BUDGET, "the reads that this service may make are taken for now", wait=patience)
        if wait > 0:
            await self._pause(wait)

    async def _call_once(self, method: str, shape: type[AwsShape], parameters: dict[str, object]) -> AwsShape:
        try:
            return msgspec.convert(await getattr(self._client, method)(**parameters), shape)
        except msgspec.ValidationError as error:
            raise SesError(NONSENSE, f"the answer could not be read: {error}") from None
        except ClientError as error:
            details = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
            code = str(details.get("Code") or status or NONSENSE)
            raise SesError(code, str(details.get("Message") or ""), status) from None
        except ParamValidationError:  # its text repeats what was sent
            raise SesError("ParamValidationError", "SES can't have a domain of such a name or form") from None
        except (ResponseParserError, *PARSER_ERRORS):
            raise SesError(NONSENSE, "the answer could not be read") from None
        except (BotoCoreError, OSError, ValueError) as error:
            # Texts of others than botocore may repeat what was sent.
            ours = "the call could not be made or its answer was cut short"
            raise SesError(type(error).__name__, str(error) if isinstance(error, BotoCoreError) else ours) from None
