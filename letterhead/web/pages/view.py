"""Knows what a page is, one row for the router and the gate, and what its request brings and is answered with."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import quote, urlencode

from letterhead.core.accounts.accounts import Caller, Scope, Session, allows
from letterhead.errors import Fault, Kind
from letterhead.operations import sessions
from letterhead.operations.audit import Actor
from letterhead.ports.deps import Deps
from letterhead.web.endpoint import House
from letterhead.web.pages.rendering import Rendering
from letterhead.web.request import Request
from letterhead.web.responses import Answer

HTML = "text/html; charset=utf-8"
HOME = "/dashboard"


class Who(StrEnum):
    """Says whom a page is for: anybody (a set-up link's holder too), somebody of an account, or the operator."""

    ANYBODY = "anybody"
    ACCOUNT = "account"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Gathers what lives as long as the pages do; `streams` counts the open streams of each link."""

    house: House
    rendering: Rendering
    streams: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Visitor:
    """Holds one request for a page. `seed` is the cookie that forms are tied to, the session's once there is one."""

    desk: Desk
    request: Request
    actor: Actor
    session: Session | None = None
    seed: str = ""
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def deps(self) -> Deps:
        """Gives what operations need."""
        return self.desk.house.deps

    @property
    def caller(self) -> Caller:
        """Says as whom the visitor signed in; only for pages of an account."""
        if self.session is None or self.session.caller is None:
            raise RuntimeError("this page is not one of an account's")
        return self.session.caller

    @property
    def account_id(self) -> str:
        """Names the account."""
        return self.caller.account_id

    @property
    def may_write(self) -> bool:
        """Says whether the visitor may change domains."""
        return allows(self.caller.scope, Scope.WRITE)

    @property
    def may_all(self) -> bool:
        """Says whether the visitor may make and end keys."""
        return allows(self.caller.scope, Scope.FULL)

    def part(self, name: str) -> str:
        """Gives a part of the path, decoded."""
        return str(self.request.path_params[name])

    def query(self, name: str) -> str:
        """Gives a query parameter, or nothing."""
        return str(self.request.query_params.get(name, ""))[:300]

    def fault(self, kind: Kind, name: str, /, retry_after: int | None = None, **places: object) -> Fault:
        """Makes a refusal of the texts `refusal.<name>` and `refusal.<name>_fix`."""
        t = self.desk.rendering.texts
        told, fix = t(f"refusal.{name}", **places), t(f"refusal.{name}_fix", **places)
        return Fault(kind, told, fix, retry_after=retry_after)

    def show(self, template: str, code: int = 200, policy: str | None = None, **values: object) -> Answer:
        """Answers with a page."""
        told = {
            "visitor": self,
            "path": self.request.path,
            "csrf": sessions.form_token(self.deps, self.seed) if self.seed else "",
            "done": self.query("done"),
        }
        html = self.desk.rendering.page(template, **told, **values)
        headers = {"Content-Security-Policy": policy or self.desk.rendering.policy}
        return Answer(body=html.encode("utf-8", "replace"), status=code, media_type=HTML, headers=headers)

    def go(self, path: str, **query: str) -> Answer:
        """Leads to another page, after a form (RFC 9110 15.4.4)."""
        asked = f"?{urlencode(query)}" if query else ""
        headers = {"Location": f"{self.desk.rendering.root}{path}{asked}"}
        return Answer(body=b"", status=303, media_type=HTML, headers=headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Describes one page, or the form of one. Forms of an account want the `needs` scope."""

    method: str
    path: str
    serve: Callable[[Visitor], Awaitable[Answer]]
    who: Who = Who.ACCOUNT
    needs: Scope = Scope.READ


def domain_path(sender: str) -> str:
    """Gives the path of a domain's page."""
    return f"{HOME}/domains/{quote(sender, safe='')}"
