"""Run a real browser: Debian's Chromium, as ./dev unpacked it or as the system has it. Knows no page of ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.rigs.locking import network
from tests.rigs.processes import program

REFUSES = {"unprivileged_userns_clone": "0", "apparmor_restrict_unprivileged_userns": "1"}  # below /proc/sys/kernel


def arguments() -> list[str]:
    """Return Chromium's arguments: no sandbox where none can be had, no shared memory, which may be small."""
    kernel = Path("/proc/sys/kernel")
    refused = any(
        (kernel / name).exists() and (kernel / name).read_text().strip() == no for name, no in REFUSES.items()
    )
    return ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 or refused else [])]


@contextmanager
def running() -> Iterator[Browser]:
    """Run one browser until the block ends: not for longer, since Playwright's loop keeps others from running."""
    with network(changes=False), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=arguments())
        try:
            yield browser
        finally:
            browser.close()
