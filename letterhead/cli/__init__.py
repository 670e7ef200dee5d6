"""The command `letterhead`: its commands, and the exit code of each.

A command's module is named by text and imported when the command is called, so that `--help` and the clients of the
API start at once: nothing that one command alone needs is imported here.

Commands without a server:

- `check`: `letterhead check`; `plans` reads its file of expected records, `conclusions` writes its result.
- `explain`: what a finding's code means.
- `completion`: completion for the shell.
- `manual`: docs/cli.md, made from the commands.

Commands of the server:

- `serve`: `run`, `serve`, `worker` and `migrate`.
- `backups`: backups, and copies of the database; `account_archive` carries one account to another installation.
- `process`: what every process of the server does: settings, logs, sockets, event loop.
- `relay`: the signing relay.
- `settings`: every setting, and the version.
- `health`: whether a process of this machine is alive.
- `doctor`: checks of an installation; `doctor_links` are those of Domain Connect, `doctor_alerts` of alert channels.
- `mail`: a test message.
- `demo`: a demonstration on made-up zones.

Clients of the HTTP API:

- `client`: requests, and the credentials they carry; `wording` puts the API's messages in the command's words.
- `domains`: sender domains; `links`: their set-up links; `report` and `proofs` write what the API returns, `operator`
  reads those of all accounts.
- `dns`: what is written in a domain's zone at its DNS host; `dns_credentials`: kept credentials of DNS hosts;
  `dns_fields`: the fields of a credential, as a command gets them.
- `domains`: sender domains; `links`: their set-up links; `records`: their records as files for DNS tools;
  `report` and `proofs` write what the API returns, `operator` reads those of all accounts.
- `acceptance`: findings that are accepted.
- `domain_settings`: what an account sets of a domain.
- `domain_checks`: checks of one's own domains; `wait`: waits until one is ready; `apply`: a list kept in a file.
- `subdomain_covers`: whether mail may be sent from a name below a domain.
- `imports`: domains and keys from other programs and services.
- `events`: the account's events.
- `webhooks`: webhooks and their deliveries; `alerts`: chats and on-call services.
- `keys`: API keys.
- `members`: the people of an account.
- `export`: keys and tables for signing programs.
- `accounts`: accounts, as the operator, and one's own.
- `domain_connect`: the Domain Connect template and its keys, as the operator.
- `identities`: identities at the mail provider, as the operator.

For all of them:

- `exit_codes`: the exit codes, and how a failure is printed.
- `output`: the forms of lists: a table, JSON, CSV.
- `confirmation`: questions before something is destroyed.
- `tables`: columns, colours and escapes on a terminal.
- `logs`: the form of log lines.
"""

import importlib
import os
import signal
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError

from letterhead.cli.exit_codes import ApiRefused, Exit, report_fault
from letterhead.errors import Fault

SERVER, CLIENT, OWN = "Server", "Client of the HTTP API", "This command"

app = App(
    name="letterhead",
    help="Manage the domains that an application, or each of its customers, sends mail from.",
    help_epilogue="Settings: `letterhead config`. Exit codes: 0 good, 1 not good, 2 usage, "
    "3 refused, 4 unreachable, 5 DNS did not say enough.",
    version=lambda: importlib.import_module("letterhead.cli.settings").version_line(),
    version_flags=["--version"],
    help_format="plaintext",
    result_action="return_value",
)

_COMMANDS = (
    ("run", "serve:run", SERVER, "Start everything on the embedded database, with a first account and key."),
    ("serve", "serve:serve", SERVER, "Serve the API, with a worker beside it unless --no-worker."),
    ("worker", "serve:worker", SERVER, "Check domains, without serving; any number beside each other on Postgres."),
    ("relay", "relay:relay", SERVER, "Take mail by SMTP, sign it, and hand it to a smart host."),
    ("migrate", "serve:migrate", SERVER, "Bring the database's schema to this version."),
    ("backup", "backups:backup", SERVER, "Back the database up while the service works; opens every key in the file."),
    ("restore", "backups:restore", SERVER, "Bring a backup back into an empty database of either kind."),
    ("copy-database", "backups:copy_database", SERVER, "Copy the database to another one: from SQLite to Postgres."),
    ("config", "settings:config", SERVER, "Print every setting, its value, where it came from, what it does."),
    ("doctor", "doctor:doctor", SERVER, "Look at database, keys, provider, resolvers, port 53, mail, clock and relay."),
    ("health", "health:health", SERVER, "Ask a process of this machine whether it is alive, as a health check does."),
    ("mail", "mail:app", SERVER, "Send a test message by the mail server that reminders go by."),
    ("check", "check:check", OWN, "Look at any domain's DNS and say what is wrong; needs no server and no account."),
    ("explain", "explain:explain", OWN, "Explain what a finding's code means and what to do, or list all codes."),
    ("demo", "demo:demo", SERVER, "Show ten domains in every state, with made-up zones and no network."),
    ("domains", "domains:app", CLIENT, "List, add, show, check and delete sender domains, and change their keys."),
    ("dns", "dns:app", CLIENT, "Write a domain's records at its DNS host: plan, apply, undo."),
    (
        "apply",
        "apply:apply",
        CLIENT,
        "Bring the account's domains to a list that is kept in a file; show what differs.",
    ),
    ("import", "imports:app", CLIENT, "Take over domains and keys from another program or service."),
    ("events", "events:events", CLIENT, "Show what happened to the account's domains, deleted ones too."),
    ("webhooks", "webhooks:app", CLIENT, "List, add, change, try and delete webhooks; see every delivery."),
    ("alerts", "alerts:app", CLIENT, "Send one line for each reminder to Slack, Teams, Discord and others."),
    ("keys", "keys:app", CLIENT, "List, make and delete the account's API keys; wrap stored secrets anew."),
    ("members", "members:app", CLIENT, "Invite, list, change and remove the people of an account."),
    ("account", "accounts:account", CLIENT, "Show your own account, or change where its reminders go."),
    ("export", "export:app", CLIENT, "Write the keys and tables that OpenDKIM, Rspamd, Exim and others sign with."),
    ("accounts", "accounts:app", CLIENT, "Open, list, show, limit and close accounts, as the operator."),
    ("identities", "identities:app", CLIENT, "See and adopt what the mail provider holds, as the operator."),
    ("domain-connect", "domain_connect:app", CLIENT, "Write your Domain Connect template, and make its key."),
    ("reconcile", "identities:reconcile", CLIENT, "Compare what the mail provider holds with all domains; mend it."),
    ("completion", "completion:app", OWN, "Print or install completion for your shell."),
    ("version", "settings:version", OWN, "Print the version, its commit and its schema."),
)

for _name, _where, _group, _help in _COMMANDS:
    app.command(f"letterhead.cli.{_where}", name=_name, group=_group, help=_help)


def main() -> None:
    """Run the command line, and end the process with its exit code."""
    if os.getpid() == 1:  # a container's first process: the kernel ignores a signal that nobody handles
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; a `Fault` or `ApiRefused` is printed without a traceback."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr] # a terminal may know few characters
    try:
        result = app(arguments, exit_on_error=False)
        sys.stdout.flush()
    except CycloptsError:  # printed already, with the usage
        return Exit.USAGE
    except (Fault, ApiRefused) as error:
        return report_fault(error)
    except BrokenPipeError:  # `letterhead domains list | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the last flush complains
        return Exit.OK
    except KeyboardInterrupt:
        return 130
    return result if isinstance(result, int) else Exit.OK
