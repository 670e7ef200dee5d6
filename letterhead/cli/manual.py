"""docs/cli.md, generated from the commands and the exit codes."""

from letterhead.cli import app
from letterhead.cli.exit_codes import Exit

_PAGE = """# The command

`letterhead` runs the service (`run`, `serve`, `worker`, `relay`, `migrate`, `config`, `doctor`, `mail`, `demo`) and is
a client of its HTTP API (`domains`, `events`, `webhooks`, `keys`, `export`, `accounts`, `identities`, `reconcile`).
`check` and `explain` need no server. In a clone, `./dev letterhead ARGS…` runs the command in the project's
environment.

The client commands read three variables:

| variable | content | if not set |
|---|---|---|
| `LETTERHEAD_URL` | the server's address | `http://127.0.0.1:8025` |
| `LETTERHEAD_API_KEY` | the account's API key | the file `first-key` in `LETTERHEAD_DATA_DIR` (`./data`) |
| `LETTERHEAD_OPERATOR_TOKEN` | operator's token, for `accounts`, `identities`, `reconcile`, `keys rewrap` | refused |

At a terminal the output is in colour, unless `NO_COLOR=1`; in a pipe it is in plain columns. `--json` prints the API's
response octet for octet, and a final line break. Text that others wrote (DNS records) is printed with control
characters escaped.

## Exit codes

| code | meaning |
|---|---|
{codes}

For example, a script can wait for a domain:

```sh
until letterhead domains check acme.dev >/dev/null; do [ $? -eq 1 ] || exit; sleep 15; done
```

## Shell completion

`letterhead completion install bash` (or `zsh`, `fish`) writes the script to the place where the shell expects it;
`letterhead completion print bash` prints it.

## Commands

This page is generated from the code: `python -c "from letterhead.cli.manual import page; print(page(), end='')"`.

{commands}
"""


def page() -> str:
    """Return docs/cli.md."""
    codes = "\n".join(f"| {code.value} | {code.meaning} |" for code in Exit)
    manual = app.generate_docs(output_format="markdown", heading_level=2)
    commands = manual[manual.index("### letterhead run") :].strip()
    return _PAGE.format(codes=codes, commands=commands)
