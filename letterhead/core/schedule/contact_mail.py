"""The mail by which somebody confirms that messages about a domain may be sent to them."""

from html import escape

import msgspec

from letterhead.core.languages.language import ENGLISH, Language
from letterhead.core.schedule.reminder_mail import Email, both_names, printable_text


class ContactEmailInput(msgspec.Struct, frozen=True, kw_only=True):
    """What the mail is written from; `confirm` and `refuse` are the links that confirm the address, and refuse it."""

    to: str
    name: str
    brand: str
    account: str
    sender: str
    confirm: str
    refuse: str
    language: Language = ENGLISH


def contact_email(given: ContactEmailInput) -> Email:
    """Return the mail to the contact that an account named for a domain."""
    say, domain = given.language.text, both_names(given.sender)
    lead = say(
        "{account} named this address as the contact for the domain {domain}: {brand} would send you a message when "
        "something about its DNS records needs somebody, with a link to a page that shows them.",
        account=printable_text(given.account),
        domain=domain,
        brand=printable_text(given.brand) or "Letterhead",
    )
    ask = say("To confirm it, open this link within a day and press the button there:")
    ignore = say("If you know nothing of it, ignore this message: without the link nothing is ever sent to you.")
    end = say("So that no message about this domain can come to this address:")
    subject = say("Confirm this address for messages about {domain}", domain=domain)
    paragraphs = "".join(f"<p>{escape(each)}</p>\n" for each in (lead, ask))
    confirm, refuse = escape(given.confirm), escape(given.refuse)
    return Email(
        to=given.to,
        name=given.name,
        subject=subject[:200],
        text=f"{lead}\n\n{ask}\n{given.confirm}\n\n{ignore}\n\n-- \n{end} {given.refuse}\n",
        html=(
            f'<!doctype html>\n<html lang="{given.language.code}"><head><meta charset="utf-8">'
            f"<title>{escape(subject)}</title></head>\n<body>\n"
            f'{paragraphs}<p><a href="{confirm}">{confirm}</a></p>\n<p>{escape(ignore)}</p>\n<hr>\n'
            f'<p><small>{escape(end)} <a href="{refuse}">{refuse}</a></small></p>\n</body></html>\n'
        ),
        unsubscribe=given.refuse,
    )
