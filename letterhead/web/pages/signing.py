"""Knows the pages of signing in and out."""

import base64

from letterhead.errors import Fault, Kind
from letterhead.operations import sessions
from letterhead.web import errors as problems
from letterhead.web.pages.gate import FORM, SESSION, cookie
from letterhead.web.pages.view import HOME, View, Visitor, Who
from letterhead.web.responses import Answer

OPERATOR_HOME = "/operator"


async def root(visitor: Visitor) -> Answer:
    """Leads people to the dashboard; a program that asks for the root is told that there is nothing, as ever."""
    if "text/html" not in visitor.request.headers.get("accept", ""):
        fault = problems.fault_of_status(404, visitor.request.method, visitor.request.path)
        body = problems.envelope(fault, visitor.actor.tracking_id or "")
        return Answer(body=body, status=404, media_type="application/json")
    operator = visitor.session is not None and visitor.session.caller is None
    return visitor.go(OPERATOR_HOME if operator else HOME)


async def show_sign_in(visitor: Visitor) -> Answer:
    """Shows the form to sign in."""
    if visitor.session is not None:
        return visitor.go(HOME if visitor.session.caller else OPERATOR_HOME)
    return form(visitor)


def form(visitor: Visitor, fault: Fault | None = None) -> Answer:
    """Shows the form to sign in, with what went wrong."""
    fresh = not visitor.seed
    if fresh:
        visitor.seed = base64.urlsafe_b64encode(visitor.deps.random_octets(18)).decode()
    status = problems.status_of(fault.kind) if fault else 200
    answer = visitor.show("sign-in.html", status, fault=fault, next=visitor.query("next"), openid=visitor.deps.sign_in)
    if fresh:
        answer.cookies.append(cookie(visitor, FORM, visitor.seed))
    return answer


async def sign_in(visitor: Visitor) -> Answer:
    """Exchanges an API key, or the operator's token, for a session."""
    key = visitor.form.get("key", "").strip()
    try:
        token, home = await _opened(visitor, key)
    except Fault as fault:
        if fault.kind is not Kind.UNAUTHORIZED:
            raise
        await visitor.desk.house.credentials.count_failure(visitor.request)
        return form(visitor, visitor.fault(fault.kind, "key"))
    back = visitor.query("next")
    answer = visitor.go(back if ours(back, home) else home)
    answer.cookies.append(cookie(visitor, SESSION, token, int(sessions.LASTS.total_seconds())))
    return answer


async def _opened(visitor: Visitor, key: str) -> tuple[str, str]:
    if visitor.desk.house.credentials.is_operators(key):
        return await sessions.sign_in_operator(visitor.deps, key, visitor.actor), OPERATOR_HOME
    return await sessions.sign_in(visitor.deps, key, visitor.actor), HOME


def ours(path: str, home: str) -> bool:
    """Tells whether a path leads to a page of the one who signed in, and nowhere else in the world."""
    return path.startswith(home) and not set(path) & set("\\?#\r\n") and "//" not in path


async def sign_out(visitor: Visitor) -> Answer:
    """Ends this session, or all of them."""
    if visitor.form.get("everywhere") and visitor.session is not None:
        await sessions.sign_out_everywhere(visitor.deps, visitor.session)
    await sessions.sign_out(visitor.deps, visitor.seed)
    answer = visitor.go("/sign-in", done="signed_out")
    answer.cookies.append(cookie(visitor, SESSION, "", 0))
    return answer


VIEWS = (
    View(method="GET", path="/", serve=root, who=Who.ANYBODY),
    View(method="GET", path="/sign-in", serve=show_sign_in, who=Who.ANYBODY),
    View(method="POST", path="/sign-in", serve=sign_in, who=Who.ANYBODY),
    View(method="POST", path="/sign-out", serve=sign_out, who=Who.ANYBODY),
)
