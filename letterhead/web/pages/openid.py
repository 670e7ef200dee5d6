"""Knows the two addresses of signing in by OpenID Connect: out to the provider, and back from it."""

import base64
import hmac

from letterhead.errors import Fault, Kind
from letterhead.operations import sessions
from letterhead.ports.sign_in import SignIn, SignInAttempt
from letterhead.web.pages.gate import SESSION, cookie
from letterhead.web.pages.signing import form, ours
from letterhead.web.pages.view import HOME, View, Visitor, Who
from letterhead.web.responses import Answer

ATTEMPT, MINUTES = "letterhead-openid", 10
START, BACK = "/sign-in/openid", "/sign-in/openid/back"


async def leave(visitor: Visitor) -> Answer:
    """Leads to the provider; a cookie of this one attempt is what the way back is tied to."""
    seed = base64.urlsafe_b64encode(visitor.deps.random_octets(24)).decode()
    # A link and no form: the policy's form-action would hold for where a form is led on to.
    address = await _provider(visitor).address(_attempt(visitor, seed))
    answer = Answer(body=b"", status=303, headers={"Location": address})
    wanted = visitor.query("next")
    value = f"{seed}.{wanted}" if ours(wanted, HOME) else f"{seed}."
    answer.cookies.append(cookie(visitor, ATTEMPT, value, MINUTES * 60))
    return answer


async def come_back(visitor: Visitor) -> Answer:
    """Opens a session for whom the provider has signed in, where this browser is the one that had left."""
    seed, _, wanted = visitor.request.cookies.get(ATTEMPT, "").partition(".")
    try:
        token = await _session(visitor, seed)
    except Fault as fault:
        if fault.kind is not Kind.UNAUTHORIZED:
            raise
        await visitor.desk.house.credentials.count_failure(visitor.request)
        answer = form(visitor, fault)
    else:
        answer = visitor.go(wanted if ours(wanted, HOME) else HOME)
        answer.cookies.append(cookie(visitor, SESSION, token, int(sessions.LASTS.total_seconds())))
    answer.cookies.append(cookie(visitor, ATTEMPT, "", 0))
    return answer


async def _session(visitor: Visitor, seed: str) -> str:
    provider, attempt = _provider(visitor), _attempt(visitor, seed)
    told, code = visitor.query("state"), str(visitor.request.query_params.get("code", ""))[:4000]
    if not seed or not hmac.compare_digest(told.encode("utf-8", "replace"), attempt.state.encode()) or not code:
        raise visitor.fault(Kind.UNAUTHORIZED, "openid")
    return await sessions.sign_in_person(visitor.deps, await provider.person(attempt, code), visitor.actor)


def _attempt(visitor: Visitor, seed: str) -> SignInAttempt:
    return sessions.attempt(visitor.deps, seed, f"{visitor.desk.house.settings.public_url}{BACK}")


def _provider(visitor: Visitor) -> SignIn:
    if visitor.deps.sign_in is None:
        raise visitor.fault(Kind.NOT_FOUND, "no_openid")
    return visitor.deps.sign_in


VIEWS = (
    View(method="GET", path=START, serve=leave, who=Who.ANYBODY),
    View(method="GET", path=BACK, serve=come_back, who=Who.ANYBODY),
)
