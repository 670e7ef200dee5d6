"""The command `letterhead explain`, which prints a code's page of the docs."""

from importlib.resources import files

import msgspec

from letterhead.cli.exit_codes import Exit
from letterhead.errors import Fault, Kind


def explain(code: str | None = None, /) -> Exit:
    """Explain what a finding's code means and what to do, or list all codes.

    Parameters
    ----------
    code
        The code, such as dkim.truncated. Without one, all codes are listed by their topics.
    """
    from letterhead.core.check import catalogue  # here, since the list of commands needs none of it
    from letterhead.core.check.catalogue import DIAGNOSES as ALL
    from letterhead.core.findings.diagnosis import Finding

    if code is None:
        print(catalogue.listing(ALL.values()))
        return Exit.OK
    wanted = code.strip().lower()
    if wanted not in ALL:
        near = catalogue.similar_codes(wanted)
        fix = f"Do you mean {', '.join(near)}?" if near else "See all of them: letterhead explain"
        raise Fault(Kind.CONFIG_INVALID, f"There is no finding with the code {code[:60]!r}.", fix)
    # Findings in zones that have the mistake, made with the pages of the docs.
    written = files("letterhead.cli").joinpath("examples.json").read_bytes()
    print(catalogue.text(ALL[wanted], msgspec.json.decode(written, type=dict[str, Finding]).get(wanted)))
    return Exit.OK
