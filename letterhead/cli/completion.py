"""The commands that print and install completion for a shell."""

from typing import Literal

from cyclopts import App

from letterhead.cli.exit_codes import ApiRefused, Exit
from letterhead.errors import Fault

Shell = Literal["bash", "zsh", "fish"]

# The commands whose first argument is one of the account's domains.
TAKE_A_DOMAIN = (
    *(
        f"domains {each}"
        for each in (
            "accept",
            "accepted",
            "apply-link",
            "check",
            "delete",
            "link",
            "open",
            "proof",
            "records",
            "rotate",
            "rotation",
            "set",
            "show",
            "start",
            "unaccept",
            "wait",
        )
    ),
    *(f"dns {each}" for each in ("apply", "credentials add", "plan", "show", "undo")),
    "events",
)
NAMES = "letterhead completion names 2>/dev/null"
_BASH = """
_letterhead_or_domain() {{
  _letterhead "$@"
  local at=2
  [[ ${{COMP_WORDS[1]}} == domains || ${{COMP_WORDS[1]}} == dns ]] && at=3
  [[ ${{COMP_WORDS[1]}} == dns && ${{COMP_WORDS[2]}} == credentials ]] && at=4
  [[ ${{COMP_CWORD}} -eq $at && ${{COMP_WORDS[COMP_CWORD]}} != -* ]] || return 0
  case " ${{COMP_WORDS[*]:1:at-1}}" in
    {patterns}) COMPREPLY=($(compgen -W "$({names})" -- "${{COMP_WORDS[COMP_CWORD]}}")) ;;
  esac
}}
complete -F _letterhead_or_domain letterhead
"""
_FISH = "complete -c letterhead -n '__fish_letterhead_using_command {command}' -f -a '({names})'\n"

app = App(name="completion", help="Print or install completion for your shell.", help_format="plaintext")


@app.command(name="print")
def print_script(shell: Shell, /) -> None:
    """Print the completion script.

    Parameters
    ----------
    shell
        The shell it is for.
    """
    from letterhead.cli import app as letterhead

    print(letterhead.generate_completion(shell=shell) + _of_domains(shell))


@app.command
def install(shell: Shell, /, *, startup: bool = True) -> Exit:
    """Write the completion script where the shell looks for it.

    Parameters
    ----------
    shell
        The shell it is for.
    startup
        Add the line that loads it to the shell's startup file, where the shell needs one.
    """
    from letterhead.cli import app as letterhead

    where = letterhead.install_completion(shell=shell, add_to_startup=startup)
    with where.open("a", encoding="utf-8") as script:
        script.write(_of_domains(shell))
    print(f"Wrote {where}. Open a new shell to use it.")
    return Exit.OK


@app.command(show=False)
def names() -> Exit:
    """Print the names of the account's domains, which the script completes; nothing where they can't be learnt."""
    from letterhead.cli.client import Api, account_key, decode_json, path_of

    try:
        with Api(account_key()) as api:
            answer = api.call("GET", path_of("domains"))
    except (Fault, ApiRefused):
        return Exit.UNREACHABLE
    print("\n".join(domain["sender"] for domain in decode_json(answer)))
    return Exit.OK


def _of_domains(shell: Shell) -> str:
    """Return what the script for a shell has besides: the account's own domains as the first argument."""
    match shell:
        case "bash":
            patterns = "|".join(f'" {command}"' for command in TAKE_A_DOMAIN)
            return _BASH.format(patterns=patterns, names=NAMES)
        case "fish":
            return "".join(_FISH.format(command=command, names=NAMES) for command in TAKE_A_DOMAIN)
        case "zsh":  # its script is one function, to which nothing can be added
            return ""
