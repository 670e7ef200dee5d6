"""The mail by which somebody confirms that messages about a domain may be sent to them."""

from html import escape

from letterhead.core.schedule.reminder_mail import Email, both_names, printable_text


def contact_email(*, to: str, name: str, brand: str, account: str, sender: str, urls: tuple[str, str]) -> Email:
    """Return the mail to the contact that an account named for a domain; `urls` confirm the address, and refuse it."""
    by, whose, domain = printable_text(brand) or "Letterhead", printable_text(account), both_names(sender)
    confirm, refuse = urls
    lead = (
        f"{whose} named this address as the contact for the domain {domain}: {by} would send you a message when "
        "something about its DNS records needs somebody, with a link to a page that shows them."
    )
    ask = "To confirm it, open this link within a day and press the button there:"
    ignore = "If you know nothing of it, ignore this message: without the link nothing is ever sent to you."
    end = "So that no message about this domain can come to this address:"
    paragraphs = "".join(f"<p>{escape(each)}</p>\n" for each in (lead, ask))
    return Email(
        to=to,
        name=name,
        subject=f"Confirm this address for messages about {domain}"[:200],
        text=f"{lead}\n\n{ask}\n{confirm}\n\n{ignore}\n\n-- \n{end} {refuse}\n",
        html=(
            f'{paragraphs}<p><a href="{escape(confirm)}">{escape(confirm)}</a></p>\n<p>{escape(ignore)}</p>\n<hr>\n'
            f'<p><small>{escape(end)} <a href="{escape(refuse)}">{escape(refuse)}</a></small></p>\n'
        ),
        unsubscribe=refuse,
    )
