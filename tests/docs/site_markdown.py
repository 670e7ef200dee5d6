"""Turn a page as the repository shows it into one as the site's builder reads it: lists, links, diagrams.

GitHub's Markdown (CommonMark) lets a list follow a paragraph at once, and indents what belongs to an item by the width
of its marker. Python-Markdown wants an empty line before a list, and four spaces.
"""

import re
from collections.abc import Callable

ITEM = re.compile(r"(?P<indent> *)(?P<marker>[-*+]|\d+[.)])(?P<space> +)\S")
FENCE = re.compile(r" *(```+|~~~+)")
LINK = re.compile(r"(?<!!)\[(?P<label>(?:[^\[\]]|\[[^\]]*\])*)\]\((?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)")
STEP = 4


def nested(text: str) -> str:
    """Return the page with its lists as Python-Markdown wants them."""
    lines: list[str] = []
    inside: list[int] = []  # where the content of each open item begins
    fence, before, ended = "", "", False
    for line in text.split("\n"):
        indent = len(line) - len(line.lstrip())
        item = None if fence else ITEM.match(line)
        begins = not inside
        if line.strip() and not fence:
            lazy = not item and before.strip() and not FENCE.match(line)  # a paragraph goes on, however it is indented
            while inside and indent < inside[-1] and not lazy:
                inside.pop()
        hit = FENCE.match(line)
        if hit and (not fence or line.strip() == fence):
            fence = "" if fence else hit[1]
        if before.strip() and line.strip() and ((item and begins) or (hit and fence) or ended):
            lines.append("")
        ended = bool(hit and not fence)
        outer = inside[-1] if inside else 0
        lines.append(" " * (STEP * len(inside)) + line[min(indent, outer) :] if line.strip() else line)
        if item:
            inside.append(len(item["indent"]) + len(item["marker"]) + len(item["space"]))
        before = line
    return "\n".join(lines)


def relinked(text: str, change: Callable[["re.Match[str]"], str]) -> str:
    """Return the page with each link changed that stands outside of code."""
    pieces = re.split(r"(^ *```.*?^ *```$|`[^`\n]+`(?!\]))", text, flags=re.MULTILINE | re.DOTALL)
    return "".join(piece if piece.startswith("`") or piece.lstrip().startswith("```") else LINK.sub(change, piece)
                   for piece in pieces)  # fmt: skip
