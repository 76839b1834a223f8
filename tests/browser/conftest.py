"""A browser for the tests that look at the report as a reader does."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """Return where Chromium is.

    Without one the test is skipped, or fails where ``REQUIRE_BROWSER=1`` says that there must be one.
    """
    for name in (os.environ.get("CHROMIUM", ""), *NAMES):
        if name and (found := shutil.which(name)):
            return found
    reason = (
        "NOBODY LOOKED AT THE REPORT: no Chromium found. `sh scripts/browser.sh` installs it as root on Debian; "
        "CHROMIUM=/path names another."
    )
    if os.environ.get("REQUIRE_BROWSER") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


# Not for the whole session: Playwright keeps an event loop running, in which other tests could start none.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    executable = chromium()
    # Chromium's sandbox refuses to run as root, which CI's containers do.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield started
        started.close()
