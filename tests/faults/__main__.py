"""Run the test of one promise at soak size: `./dev soak P1 --size 500`; list the promises when asked for none."""

import argparse
import os
import subprocess
import sys

from tests.faults.promises import PROMISES, ROOT, SIZE, SOAK, Promise, promise


def main() -> int:
    """Read the words of the command."""
    parser = argparse.ArgumentParser(prog="./dev soak", description=__doc__)
    parser.add_argument("promise", nargs="?", type=name_in_any_case, choices=[each.name for each in PROMISES])
    parser.add_argument("--size", type=int, help="how many; the soak's own size unless said")
    asked = parser.parse_args()
    if asked.promise is None:
        print("\n".join(map(line, PROMISES)))
        return 0
    return soak(promise(asked.promise), asked.size)


def name_in_any_case(word: str) -> str:
    """Return the name of a promise as it is written in the list; what is no name stays as it is."""
    return next((each.name for each in PROMISES if each.name.lower() == word.lower()), word)


def line(each: Promise) -> str:
    """Write a promise in one line."""
    sizes = f"{each.size} in CI, {each.soak} in a soak: {each.of}" if each.size else "one size"
    return f"{each.name:4} {each.text}\n     {sizes}\n     {each.test}"


def soak(each: Promise, wanted: int | None) -> int:
    """Run pytest without a limit of time, and let the figures through."""
    number = wanted or each.soak
    more = {SOAK: each.name, SIZE: str(number)} if number else {}
    os.chdir(ROOT)
    words = [sys.executable, "-m", "pytest", "-q", "-s", "-o", "timeout=0", each.test]
    return subprocess.run(words, env={**os.environ, **more}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
