"""docs/cli.md, generated from the commands and the exit codes."""

from letterhead.cli import app
from letterhead.cli.exit_codes import Exit

_PAGE = """# The command

`letterhead` runs the service (`run`, `serve`, `worker`, `relay`, `migrate`, `config`, `doctor`, `mail`, `demo`) and is
a client of its HTTP API (`domains`, `apply`, `events`, `webhooks`, `keys`, `export`, `accounts`, `identities`,
`reconcile`). `check` and `explain` need no server. `python -m letterhead` is the same command. In a clone,
`./dev letterhead ARGS…` runs the command in the project's environment.

The client commands read three variables:

| variable | content | if not set |
|---|---|---|
| `LETTERHEAD_URL` | the server's address, or `unix:` and the path of its socket | see below |
| `LETTERHEAD_API_KEY` | the account's API key | the file `first-key` in `LETTERHEAD_DATA_DIR` (`./data`) |
| `LETTERHEAD_OPERATOR_TOKEN` | operator's token, for `accounts`, `identities`, `reconcile`, `keys rewrap` | see below |

Without a token in the environment, these commands use that of this machine's settings, for the server at the
`LETTERHEAD_BIND` of these settings alone. With any other `LETTERHEAD_URL` they are refused: another user of this
machine may listen there. Without `LETTERHEAD_URL` every command asks that server, and `http://127.0.0.1:8025` where
you may not read the settings.

At a terminal the output is in colour, unless `NO_COLOR=1`, and fits its width: long values end with … there. In a pipe
it is plain, and every value is whole. Text that others wrote (DNS records) is printed with control characters escaped.

Lists, `check` and `domains show` take `--output` (`-o`):

| form | content |
|---|---|
| `table` | columns for people; the default |
| `json` | the API's response as it is; `--json` is short for it; private keys only with `--private-keys` |
| `csv` | a header and a line for each row (RFC 4180), with times in ISO 8601 |

In CSV, a text that a spreadsheet would compute has an apostrophe before it.

Commands that destroy something ask first: `domains delete`, `webhooks delete`, `keys delete`, `accounts delete`. Where
mail would stop you type the domain's name. A script adds `--yes`; without it and without a terminal nothing is done,
and the exit code is 2.

## Exit codes

| code | meaning |
|---|---|
{codes}

For example, a script can wait for a domain, and goes on while DNS is slow to answer
(docs/records-as-code.md has more):

```sh
letterhead domains wait acme.dev --until can-send --timeout 20m
```

`letterhead check` takes any number of domains, also from a file or the standard input, and checks several side by side.
Of their exit codes the worst counts: 2, then 1, then 5. With `--strict` a warning is as bad as a fault that blocks:

```sh
letterhead check --from-file domains.txt --strict -o csv >report.csv
```

| verdict | meaning | exit code |
|---|---|---|
| `pass` | nothing blocks | 0 |
| `fail` | something blocks, or is a warning with `--strict` | 1 |
| `none` | there is no SPF record, no DMARC record and no DKIM key that could be found | 1 |
| `inconclusive` | DNS did not say enough | 5 |

## Shell completion

`letterhead completion install bash` (or `zsh`, `fish`) writes the script to the place where the shell expects it;
`letterhead completion print bash` prints it. In bash and fish the account's own domains are completed too, where a
command takes one.

## Commands

This page is generated from the code: `python -c "from letterhead.cli.manual import page; print(page(), end='')"`.

{commands}
"""


def page() -> str:
    """Return docs/cli.md."""
    codes = "\n".join(f"| {code.value} | {code.meaning} |" for code in Exit)
    manual = app.generate_docs(output_format="markdown", heading_level=2)
    commands = manual[manual.index("### letterhead run") :].strip()
    # What a command takes is no command to type.
    return _PAGE.format(codes=codes, commands=commands.replace("```console\n", "```text\n"))
