"""Names the types that server, door and framework speak in."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import litestar

Request = litestar.Request[Any, Any, Any]
Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

STOPPING = "letterhead.stopping"  # where in the scope's state the event is that the server sets when it stops
