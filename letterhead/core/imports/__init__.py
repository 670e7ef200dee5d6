"""What other programs and services hold of sender domains, and the plan by which it comes here.

- `found`: domains and keys as a source has them.
- `opendkim`: the configuration and the tables of OpenDKIM.
- `rspamd`: the settings of Rspamd's module dkim_signing.
- `dumps`: rows of MariaDB and hashes of Redis, as their clients print them; `postal`, `mailcow`: what they hold.
- `services`: the domains that the APIs of Resend, Mailgun and Postmark list.
- `ses`: the identities that Amazon SES holds, and the plan for each.
- `plan`: what is to be done about each domain that was found.
"""
