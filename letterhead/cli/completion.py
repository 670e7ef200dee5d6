"""The commands that print and install completion for a shell."""

from typing import Literal

from cyclopts import App

from letterhead.cli.exit_codes import Exit

Shell = Literal["bash", "zsh", "fish"]

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

    print(letterhead.generate_completion(shell=shell))


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
    print(f"Wrote {where}. Open a new shell to use it.")
    return Exit.OK
