"""The command group `letterhead import`: domains and keys from other programs and services.

- `execution`: the plan of an import, shown and carried out; the same for every source.
- `source_files`: the files of a program on this machine, read and listed.
- `opendkim`, `rspamd`: the configuration, the tables and the keys of a program that signs.
- `databases`: rows of the databases of Postal and mailcow.
- `services`: the domains that the APIs of Resend, Mailgun and Postmark list; `service_client` asks them.
- `ses`: the identities that Amazon SES holds, added and adopted.
"""

from cyclopts import App

from letterhead.cli import account_archive
from letterhead.cli.imports import databases, opendkim, rspamd, services, ses

app = App(
    name="import",
    help="Take over domains, with their keys where that is possible, from another program or service.",
    help_format="plaintext",
)
app.command(account_archive.import_account, name="account")
app.command(account_archive.recipient)
app.command(opendkim.opendkim)
app.command(rspamd.rspamd)
app.command(databases.postal)
app.command(databases.mailcow)
app.command(services.resend)
app.command(services.mailgun)
app.command(services.postmark)
app.command(ses.ses)
