"""Knows how docs/cli.md is written: from the commands and exit codes themselves, so that it can't differ from them."""

from letterhead.cli import app
from letterhead.cli.exit_codes import Exit

_PAGE = """# The command

`letterhead` runs the service (`run`, `serve`, `worker`, `migrate`, `config`, `doctor`, `mail`, `demo`) and is a client
of its HTTP API (`domains`, `keys`, `export`, `accounts`). In a clone, `./dev letterhead ARGS…` runs it in the project's
environment.

Clients read three variables:

| variable | what it is | else |
|---|---|---|
| `LETTERHEAD_URL` | the server's address | `http://127.0.0.1:8025` |
| `LETTERHEAD_API_KEY` | the account's API key | the file `first-key` in `LETTERHEAD_DATA_DIR` (`./data`) |
| `LETTERHEAD_OPERATOR_TOKEN` | the operator's token, for `accounts` | refused |

At a terminal there is colour, unless `NO_COLOR=1`; in a pipe there are plain columns. `--json` prints the API's answer
octet for octet, and a final line break. What strangers wrote (DNS records) is shown with control characters escaped.

## Exit codes

| code | meaning |
|---|---|
{codes}

So a script can wait for a domain:

```sh
until letterhead domains check acme.dev >/dev/null; do [ $? -eq 1 ] || exit; sleep 15; done
```

## Shell completion

`letterhead completion install bash` (or `zsh`, `fish`) writes the script where the shell looks for it;
`letterhead completion print bash` prints it.

## Commands

This page is made from the code: `python -c "from letterhead.cli.manual import page; print(page(), end='')"`.

{commands}
"""


def page() -> str:
    """Writes docs/cli.md."""
    codes = "\n".join(f"| {code.value} | {code.meaning} |" for code in Exit)
    manual = app.generate_docs(output_format="markdown", heading_level=2)
    commands = manual[manual.index("### letterhead run") :].strip()
    return _PAGE.format(codes=codes, commands=commands)
