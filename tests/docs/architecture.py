"""Make docs/architecture.svg: the packages, and which way their imports run."""

from dataclasses import dataclass
from html import escape

WIDTH = 920
HEIGHT, GAP = 46, 28  # of a row, and between two
INNER_HEIGHT, INNER_GAP = 42, 24
HEAD = 46  # where the name of the core stands
DESCRIPTION = (
    "From top to bottom: cli; web, worker and relay; wiring; config; operations and adapters; ports; core with its "
    "packages; errors. Imports run downward only."
)
STYLE = """
    .paper { fill: #fff } .box { fill: #f4f6f8; stroke: #57606a } .core { fill: #ddf4e4; stroke: #1a7f37 }
    .pure { fill: #fff; stroke: #1a7f37 } text { fill: #1f2328; text-anchor: middle }
    .small { font-size: 12px; fill: #57606a }
    .name { font-weight: 600 } .line { stroke: #57606a; fill: none; stroke-width: 1.5 } .head { fill: #57606a }
    @media (prefers-color-scheme: dark) {
      .paper { fill: #0d1117 } .box { fill: #161b22; stroke: #8b949e } .core { fill: #12261a; stroke: #3fb950 }
      .pure { fill: #0d1117; stroke: #3fb950 } text { fill: #e6edf3 } .small { fill: #8b949e } .line { stroke: #8b949e }
      .head { fill: #8b949e }
    }
"""


@dataclass(frozen=True, slots=True)
class Box:
    """One package: its name, what is in it, and where it begins and ends from left to right."""

    name: str
    text: str
    left: int
    right: int


ROWS: tuple[tuple[Box, ...], ...] = (
    (Box("cli", "the command: starts the processes, asks the API, checks any domain", 60, 860),),
    (
        Box("web", "the API and the pages", 60, 330),
        Box("worker", "what is due or owed", 350, 540),
        Box("relay", "mail in, signed, out", 560, 740),
    ),
    (Box("wiring", "alone names adapters", 620, 860),),
    (Box("config", "settings", 720, 860),),
    (
        Box("operations", "what a person or a clock can want", 60, 440),
        Box("adapters", "DNS, SQL, SES, SMTP, HTTP: each behind a port", 480, 860),
    ),
    (Box("ports", "what operations need of the outside world", 60, 860),),
)
CORE = Box("core", "pure: no await, clock, randomness, environment, file or socket", 60, 860)
CORE_ROWS: tuple[tuple[Box, ...], ...] = (
    (
        Box("core.imports", "domains from elsewhere", 80, 324),
        Box("core.domain_connect", "signed links to the DNS host", 338, 582),
        Box("core.zone_changes", "what to write in a zone", 596, 840),
    ),
    (
        Box("core.public", "what others see", 80, 195),
        Box("core.relay", "queue, reports", 209, 324),
        Box("core.check", "the whole of one check", 338, 840),
    ),
    (Box("core.schedule", "when to look", 80, 195),),
    (Box("core.rotation", "change of DKIM keys", 80, 324),),
    (
        Box("core.domain", "state, claims", 80, 195),
        Box("core.dkim", "RFC 6376", 209, 324),
        Box("core.spf", "RFC 7208", 338, 453),
        Box("core.dmarc", "RFC 9989", 467, 582),
        Box("core.mail_from", "envelope", 596, 711),
        Box("core.zone", "delegation", 725, 840),
    ),
    (
        Box("core.message", "RFC 5322, 8601", 209, 324),
        Box("core.findings", "what a diagnosis and a finding are; where a record went, how to repair it", 338, 840),
    ),
    (Box("core.plan", "what the customer must publish, and how each DNS host wants it typed", 80, 840),),
    (
        Box("core.accounts", "API keys, quotas, set-up links", 80, 324),
        Box("core.dns", "questions, answers, records", 338, 840),
    ),
    (
        Box("core.secret", "what is never printed", 80, 324),
        Box("core.names", "domain names, addresses", 338, 582),
        Box("core.languages", "what customers read", 596, 840),
    ),
)
ERRORS = Box("errors", "Fault: bad news that a caller can act on", 60, 860)

# Each from where to where, and at which places from left to right the arrow leaves and arrives.
ARROWS = (
    ("cli", "web", 195, 195), ("cli", "worker", 445, 445), ("cli", "relay", 650, 650), ("cli", "wiring", 800, 800),
    ("web", "operations", 195, 195), ("worker", "operations", 400, 400), ("relay", "operations", 580, 425),
    ("wiring", "config", 790, 790), ("wiring", "adapters", 670, 670),
    ("operations", "ports", 250, 250), ("adapters", "ports", 670, 670), ("ports", "core", 460, 460),
    ("core", "errors", 460, 460),
    ("core.zone_changes", "core.check", 718, 718),
    ("core.public", "core.schedule", 137, 137), ("core.schedule", "core.rotation", 137, 137),
    ("core.check", "core.rotation", 352, 310), ("core.check", "core.spf", 395, 395),
    ("core.check", "core.dmarc", 524, 524), ("core.check", "core.mail_from", 653, 653),
    ("core.check", "core.zone", 782, 782), ("core.rotation", "core.domain", 137, 137),
    ("core.rotation", "core.dkim", 266, 266), ("core.domain", "core.plan", 137, 137),
    ("core.dkim", "core.message", 266, 266), ("core.spf", "core.findings", 395, 395),
    ("core.dmarc", "core.findings", 524, 524), ("core.mail_from", "core.findings", 653, 653),
    ("core.zone", "core.findings", 782, 782), ("core.findings", "core.plan", 589, 589),
    ("core.plan", "core.dns", 589, 589), ("core.accounts", "core.secret", 202, 202),
)  # fmt: skip


def drawing() -> str:
    """Draw every package as a box and every arrow between two."""
    spans: dict[str, tuple[int, int]] = {}  # name → top and bottom
    boxes: list[str] = []
    top = 20
    for row in ROWS:
        boxes += [_box(each, top, HEIGHT, "box", spans) for each in row]
        top += HEIGHT + GAP
    whole = HEAD + len(CORE_ROWS) * (INNER_HEIGHT + INNER_GAP)
    boxes.append(_box(CORE, top, whole, "core", spans))
    inside = top + HEAD
    for row in CORE_ROWS:
        boxes += [_box(each, inside, INNER_HEIGHT, "pure", spans) for each in row]
        inside += INNER_HEIGHT + INNER_GAP
    top += whole + GAP
    boxes.append(_box(ERRORS, top, HEIGHT, "box", spans))
    lines = [_line(source, target, (spans[source][1], spans[target][0]), at) for source, target, *at in ARROWS]
    return _page(top + HEIGHT + 20, [*boxes, *lines])


def _box(box: Box, top: int, height: int, kind: str, spans: dict[str, tuple[int, int]]) -> str:
    spans[box.name] = (top, top + height)
    middle, name = (box.left + box.right) // 2, box.name.removeprefix("core.")
    return (
        f'  <g data-package="{box.name}" data-row="{top}">\n'
        f'    <rect class="{kind}" x="{box.left}" y="{top}" width="{box.right - box.left}" height="{height}" rx="6"/>\n'
        f'    <text class="name" x="{middle}" y="{top + 18}">{name}</text>\n'
        f'    <text class="small" x="{middle}" y="{top + 35}">{escape(box.text)}</text>\n'
        "  </g>"
    )


def _line(source: str, target: str, heights: tuple[int, int], at: list[int]) -> str:
    (leaves, arrives), (start, end) = at, heights
    return (
        f'  <path class="line" data-from="{source}" data-to="{target}" d="M{leaves} {start} {arrives} {end - 1}" '
        'marker-end="url(#a)"/>'
    )


def _page(height: int, parts: list[str]) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="t d" '
        'font-family="system-ui, sans-serif" font-size="14">'
    )
    marker = (
        '<marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="head" d="M0 0 8 4 0 8z"/></marker>'
    )
    return "\n".join(
        [
            head,
            '  <title id="t">The packages of Letterhead and the direction of their imports</title>',
            f'  <desc id="d">{DESCRIPTION}</desc>',
            f"  <style>{STYLE}  </style>",
            f"  <defs>{marker}</defs>",
            f'  <rect class="paper" width="{WIDTH}" height="{height}" rx="8"/>',
            *parts,
            "</svg>\n",
        ]
    )
