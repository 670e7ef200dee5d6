"""Knows how SES is called: in turn, and again where it may go better, each try with a turn of its own.

One try more can come from below: aiohttp repeats a GET, PUT or DELETE at once where the connection is reset.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import msgspec
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

from letterhead.adapters.providers.ses.faults import BUDGET, SesError

TRIES: Final = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 8.0  # seconds
NONSENSE: Final = "UnreadableAnswer"
# What botocore's parser raises where JSON is of another form than its model says, or too deep for it.
STUMBLES: Final = (AttributeError, TypeError, LookupError, RuntimeError)

AwsShape = TypeVar("AwsShape")
WaitForSlot = Callable[[str, float], Awaitable[float | None]]


class AwsCalls:
    """Calls one AWS service; every trouble is a `Trouble`, every answer a shape that was checked.

    `account` names the budget that all processes share, `pause` stands in for waiting in tests.
    """

    def __init__(
        self,
        client: Any,  # botocore makes its methods at run time
        *,
        turn: WaitForSlot,
        account: str,
        pause: Callable[[float], Awaitable[None]] | None = None,
    ) -> None:
        self._client = client
        self._turn = turn
        self._account = account
        self._pause = pause or asyncio.sleep

    async def __call__(self, method: str, shape: type[AwsShape], patience: float, /, **parameters: object) -> AwsShape:
        """Calls one method; `patience` is for how many seconds it may wait for its turn."""
        for tried in range(TRIES):
            await self._wait_turn(patience)
            try:
                return _read(await self._once(method, parameters), shape)
            except SesError as trouble:
                if not trouble.passes or tried == TRIES - 1:
                    raise
            # Full jitter: SES never says Retry-After, and callers who were refused together must not return together.
            longest = min(FIRST_PAUSE * 2**tried, LONGEST_PAUSE)
            await self._pause(random.uniform(0, longest))  # noqa: S311 not a secret
        raise AssertionError("the last try returned or raised")

    async def _wait_turn(self, patience: float) -> None:
        wait = await self._turn(self._account, patience)
        if wait is None:
            raise SesError(BUDGET, "the calls that this service may make are taken for now", wait=patience)
        if wait > 0:
            await self._pause(wait)

    async def _once(self, method: str, parameters: dict[str, object]) -> object:
        try:
            return await getattr(self._client, method)(**parameters)
        except ClientError as error:
            raise _refusal(error) from None
        except ParamValidationError:  # its text repeats what was sent
            raise SesError("ParamValidationError", "SES can't have a domain of such a name or form") from None
        except (ResponseParserError, *STUMBLES):
            raise SesError(NONSENSE, "the answer could not be read") from None
        except (BotoCoreError, OSError, ValueError) as error:
            raise SesError(type(error).__name__, _unsent(error)) from None


def _refusal(error: ClientError) -> SesError:
    answer = error.response
    told = answer.get("Error", {})
    status = answer.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return SesError(str(told.get("Code") or status or NONSENSE), str(told.get("Message") or ""), status)


def _unsent(error: Exception) -> str:
    """Says what happened to a call that was not answered; texts of others than botocore may repeat what was sent."""
    return str(error) if isinstance(error, BotoCoreError) else "the call could not be made or its answer was cut short"


def _read(answer: object, shape: type[AwsShape]) -> AwsShape:
    try:
        return msgspec.convert(answer, shape)
    except msgspec.ValidationError as error:
        raise SesError(NONSENSE, f"the answer could not be read: {error}") from None
