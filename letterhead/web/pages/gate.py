"""Knows what a request must pass before its page is made (session, scope, a form's token), and how a page says no."""

from collections.abc import Mapping
from urllib.parse import parse_qsl, quote

import msgspec
import structlog

from letterhead.core.accounts.accounts import allows
from letterhead.errors import Fault, Kind
from letterhead.operations import sessions
from letterhead.operations.audit import Actor
from letterhead.web import errors as problems
from letterhead.web import request_body
from letterhead.web.auth import address_of
from letterhead.web.middleware import visit_of
from letterhead.web.pages.view import HTML, Desk, View, Visitor, Who
from letterhead.web.rate_limits import TokenBuckets, too_many
from letterhead.web.request import Request
from letterhead.web.responses import Answer

SESSION, FORM = "letterhead-session", "letterhead-form"
FIELDS = 30

log = structlog.get_logger("letterhead.web")


class PageGate:
    """Lets requests through to their pages; every refusal is a page too."""

    def __init__(self, desk: Desk, rates: TokenBuckets) -> None:
        self._desk, self._rates = desk, rates

    async def serve(self, view: View, request: Request) -> Answer:
        """Serves one request."""
        visit = visit_of(request.scope)
        visit.route = view.path
        visitor = self._stranger(request)
        try:
            return await self._served(view, visitor)
        except Fault as fault:
            return self._refused(visitor, fault)
        except Exception:
            log.exception("request.broken")
            return self._refused(visitor, problems.bug())

    def _stranger(self, request: Request) -> Visitor:
        actor = Actor(name="nobody", address=address_of(request), tracking_id=visit_of(request.scope).tracking_id)
        return Visitor(desk=self._desk, request=request, actor=actor)

    def lost(self, request: Request, fault: Fault, answer: Answer) -> Answer:
        """Turns a program's answer into the page for whoever came to an address that there is not."""
        visitor = self._stranger(request)
        if fault.kind is Kind.NOT_FOUND:
            fault = visitor.fault(fault.kind, "lost", path=request.path[:200])
        page = self._refused(visitor, fault)
        policy = {"Content-Security-Policy": self._desk.rendering.policy}
        return msgspec.structs.replace(answer, body=page.body, media_type=HTML, headers={**answer.headers, **policy})

    async def _served(self, view: View, visitor: Visitor) -> Answer:
        await self._recognise(visitor)
        if not self._welcome(view, visitor):
            return _to_sign_in(view, visitor)
        if view.method == "POST":
            visitor.form = await _form(visitor)
        return await view.serve(visitor)

    async def _recognise(self, visitor: Visitor) -> None:
        """Finds the visitor's session, if there is one that holds."""
        token = visitor.request.cookies.get(SESSION, "")
        session = await sessions.find_session(visitor.deps, token) if token else None
        if session is None:
            visitor.seed = visitor.request.cookies.get(FORM, "")
            return
        if session.caller is None and not self._desk.house.credentials.operators(session):
            return  # the operator's token was changed
        if session.caller is not None and session.mark and visitor.deps.sign_in is None:
            return  # signed in by a provider that is not set any more
        visitor.session, visitor.seed = session, token
        caller = session.caller
        visitor.actor = Actor(
            name=caller.key_id if caller else "operator",
            account_id=caller.account_id if caller else None,
            address=visitor.actor.address,
            tracking_id=visitor.actor.tracking_id,
        )
        visit_of(visitor.request.scope).account_id = visitor.actor.account_id

    def _welcome(self, view: View, visitor: Visitor) -> bool:
        """Tells whether the page is for this visitor; Fault `scope-missing`, `too-many-requests`."""
        session = visitor.session
        match view.who:
            case Who.ANYBODY:
                return True
            case Who.OPERATOR:
                return session is not None and session.caller is None
            case _:
                if session is None or session.caller is None:
                    return False
        left = self._rates.take(session.caller.key_id)
        if left < 0.0:
            raise too_many(self._desk.rendering.texts("refusal.requests"), self._rates.wait(left + 1.0))
        if not allows(session.caller.scope, view.needs):
            held, needed = session.caller.scope.value, view.needs.value
            raise visitor.fault(
                Kind.SCOPE_MISSING, "person_scope" if session.mark else "scope", held=held, needed=needed
            )
        return True

    def _refused(self, visitor: Visitor, fault: Fault) -> Answer:
        status = problems.status_of(fault.kind)
        if status >= 500:
            log.warning("request.failed", kind=fault.kind, detail=fault.detail, exc_info=fault)
        fix = fault.fix
        if fault.retry_after is not None and fault.kind is Kind.TOO_MANY_REQUESTS:
            fix = self._desk.rendering.texts("refusal.wait", number=fault.retry_after)
        tracking_id = visitor.actor.tracking_id
        answer = visitor.show(
            "fault.html", status, status=status, detail=fault.detail, fix=fix, tracking_id=tracking_id
        )
        if fault.retry_after is not None:
            answer.headers["Retry-After"] = str(fault.retry_after)
        return answer


def _to_sign_in(view: View, visitor: Visitor) -> Answer:
    """Leads to signing in, and from there back to where a page was asked for."""
    back = visitor.request.path if view.method == "GET" else ""
    return visitor.go("/sign-in", **({"next": back} if back else {}))


async def _form(visitor: Visitor) -> Mapping[str, str]:
    """Reads a form that a page of ours has sent; Fault `scope-missing` for any other."""
    media = visitor.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != "application/x-www-form-urlencoded":
        raise visitor.fault(Kind.MEDIA_TYPE_UNSUPPORTED, "no_form")
    octets = await request_body.octets_of(visitor.request)
    try:
        fields = dict(parse_qsl(octets.decode("utf-8"), keep_blank_values=True, max_num_fields=FIELDS))
    except ValueError as bad:
        raise visitor.fault(Kind.BODY_INVALID, "unreadable_form") from bad
    # A browser says where a form comes from; the token is for those that do not, and for old ones.
    elsewhere = visitor.request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")
    if elsewhere or not sessions.is_form_token(visitor.deps, visitor.seed, fields.get("csrf", "")):
        raise visitor.fault(Kind.SCOPE_MISSING, "foreign_form")
    return fields


def cookie(visitor: Visitor, name: str, value: str, seconds: int | None = None) -> str:
    """Writes a cookie that scripts can't read and other sites' forms don't carry; it lasts `seconds`, or the visit."""
    rendering = visitor.desk.rendering
    parts = [f"{name}={quote(value, safe='=-_')}", f"Path={rendering.root or '/'}", "HttpOnly", "SameSite=Lax"]
    if seconds is not None:
        parts.append(f"Max-Age={seconds}")
    if rendering.https:
        parts.append("Secure")
    return "; ".join(parts)
