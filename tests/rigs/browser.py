"""Runs a real browser: Debian's Chromium, as ./dev unpacked it or as the system has it. Knows no page of ours."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.rigs.processes import program

# As root there is no sandbox to be had; shared memory may be small where the tests run.
ARGUMENTS = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]


@contextmanager
def running() -> Iterator[Browser]:
    """Runs one browser until the block ends: not for longer, since Playwright's loop keeps others from running."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()
