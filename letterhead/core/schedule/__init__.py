"""When to check, to retry and to remind.

- `check_schedule`: when a domain is checked again, and when a webhook is tried again.
- `reminders`: which reminders are due to a person, and when.
- `reminder_mail`: the text of the mails that go to people.
- `contact_mail`: the mail by which a domain's contact confirms the address.
- `recipients`: to whom a reminder goes.
- `alert_text`: the one line of an alert in a chat.
- `setup_mail`: the mail that hands on a domain's records and set-up link.
- `shares`: how many places of a scarce thing one account may hold, and whose turn is next.
- `check_lag`: a histogram of how late checks start.
"""
