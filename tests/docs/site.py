"""The navigation of the site of the docs: docs/README.md lists its pages, README.md is its first."""

import re
from pathlib import Path

from tests.docs.markdown import ROOT

INDEX = "docs/README.md"
BESIDE = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
ENTRY = re.compile(r"(?P<level>#{2,3}) (?P<title>.+)|- \[[^\]]+\]\((?P<target>[^)#]+)\)")

Place = dict[str, "str | list[Place]"]


def pages(root: Path = ROOT) -> list[str]:
    """List the pages that the site has, by their paths from the root of the repository."""
    docs = [path.relative_to(root).as_posix() for path in sorted((root / "docs").rglob("*.md"))]
    return [*(name for name in BESIDE if (root / name).exists()), *docs]


def navigation(root: Path = ROOT) -> list[Place]:
    """Return the navigation: a section for each heading of docs/README.md, with the pages and folders below it.

    A folder stands for all of its pages: in the order of its README.md, and then of their names.
    """
    sections: list[Place] = [{"Home": "README.md"}]
    below: list[list[Place]] = [sections]
    for hit in ENTRY.finditer((root / INDEX).read_text("utf-8")):
        if hit["level"]:
            inside: list[Place] = []
            del below[len(hit["level"]) - 1 :]
            below[-1].append({hit["title"]: inside})
            below.append(inside)
        elif ":" not in hit["target"]:
            below[-1].append(_place(root, hit["target"].removesuffix("/README.md").rstrip("/")))
    project: list[Place] = [{"": name} for name in BESIDE[1:] if (root / name).exists()]
    return [*sections, {"Project": [{"All pages": INDEX}, *project]}]


def placed(places: list[Place]) -> list[str]:
    """List the pages that have a place, as often as they have one."""
    found: list[str] = []
    for place in places:
        for value in place.values():
            found += [value] if isinstance(value, str) else placed(value)
    return found


def _place(root: Path, target: str) -> Place:
    path = root / "docs" / target
    if not path.is_dir():
        return {"": f"docs/{target}"}
    index = path / "README.md"
    text = index.read_text("utf-8") if index.exists() else ""
    named = [name for name in dict.fromkeys(re.findall(r"\]\(([^)/#]+\.md)", text)) if (path / name).exists()]
    others = sorted(each.name for each in path.glob("*.md") if each.name != "README.md")
    names = dict.fromkeys([*(["README.md"] if text else []), *named, *others])
    return {target.capitalize().replace("-", " "): [{"": f"docs/{target}/{name}"} for name in names]}
