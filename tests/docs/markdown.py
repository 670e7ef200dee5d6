"""The Markdown pages of the repository, and which of them are generated."""

from pathlib import Path

from letterhead.core.check.catalogue import DIAGNOSES

ROOT = Path(__file__).parents[2]
FINDINGS = "findings"
GENERATED = frozenset(
    {
        *(
            f"docs/{name}.md"
            for name in (
                "cli",
                "compared",
                "configuration",
                "dns-hosts",
                "install/kubernetes",
                "lifecycle",
                "metrics",
                "writing-records",
            )
        ),
        f"docs/{FINDINGS}/README.md",
        *(f"docs/{FINDINGS}/{code}.md" for code in DIAGNOSES),
    }
)


def shown(path: Path) -> str:
    """Return the path of a file below the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def every_page() -> list[Path]:
    """List every Markdown page of the repository."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "changelog.d").glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def written_by_hand() -> list[Path]:
    """List the pages that people write: all but those that `./dev docs` makes."""
    return [page for page in every_page() if shown(page) not in GENERATED]
