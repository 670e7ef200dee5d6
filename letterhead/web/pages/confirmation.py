"""Pages that ask before something ends: they say what will stop, and where mail would stop a name has to be typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.responses import Response

from letterhead.errors import Fault, Kind
from letterhead.web.context import RequestContext
from letterhead.web.pages.responses import page_fault, page_response

FIELD = "confirm"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationPage:
    """What a page asks before a form ends something.

    `title`, `button` and `stops`, which say what will stop, are names of texts with `places`. `word` is what must be
    typed, None where a button is enough. `action` is the path that the form is sent to, with `fields`; `back` is the
    path that leads away unharmed.
    """

    title: str
    button: str
    action: str
    back: str
    stops: tuple[str, ...]
    word: str | None = None
    places: Mapping[str, object] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)


def ask(context: RequestContext, page: ConfirmationPage) -> Response:
    """Respond with the page; with a fault where another word was typed."""
    t, root = context.state.templates.texts, context.state.templates.root
    fault: Fault | None = None
    if page.word is not None and context.form.get(FIELD):
        fault = page_fault(context, Kind.PARAMETER_INVALID, "word", word=page.word)
    return page_response(
        context,
        "confirm.html",
        400 if fault else 200,
        title=t(page.title, **page.places),
        stops=[t(each, **page.places) for each in page.stops],
        button=t(page.button),
        word=page.word,
        action=f"{root}{page.action}",
        back=f"{root}{page.back}",
        fields=dict(page.fields) | ({} if page.word else {FIELD: "yes"}),
        fault=fault,
    )


def is_confirmed(context: RequestContext, page: ConfirmationPage) -> bool:
    """Tell whether the form of a page was sent by somebody who was asked, and typed what had to be typed."""
    wanted, typed = "yes" if page.word is None else page.word, context.form.get(FIELD, "")
    return typed.casefold().split() == wanted.casefold().split()
