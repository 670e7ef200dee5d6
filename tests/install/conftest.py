"""The wheel and the source distribution of this working tree."""

import subprocess
from pathlib import Path

import pytest

from tests.rigs.processes import Missing

ROOT = Path(__file__).parents[2]
UV = ROOT / ".uv" / "bin" / "uv"  # ./dev brings it


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, which takes half a second, once for each test process."""
    return build(tmp_path_factory.mktemp("wheel"), "--wheel")


@pytest.fixture(scope="session")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the source distribution."""
    return build(tmp_path_factory.mktemp("sdist"), "--sdist")


def build(folder: Path, *options: str, source: Path = ROOT) -> Path:
    """Build one file into a folder; uv carries the build backend in its own binary, so no network is needed."""
    if not UV.exists():
        raise Missing(f"The tests need {UV}, which is not there: ./dev test brings it.")
    command: list[str | Path] = [UV, "build", "--offline", "--quiet", *options, "--out-dir", folder, source]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = (path for path in folder.iterdir() if path.name.startswith("letterhead-"))
    return built
