"""Chromium, watched: a test fails if a page logs an error, breaks its policy or asks another host."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.support.patience import patience

AXE = (Path(__file__).parent / "axe" / "axe.min.js").read_text(encoding="utf-8")
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
# Some seconds on a quiet machine.
TIMEOUT_MS = min(patience(15), 60) * 1000
expect.set_options(timeout=TIMEOUT_MS)
# Debian's without windows and with them, Ubuntu's, and Google's own.
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MISSING = f"none of {', '.join(NAMES)} is installed; as root, make test installs Debian's"


def executable() -> str | None:
    """Where Chromium is; None if it is not installed."""
    return next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        # A container's root has no sandbox.
        browser = playwright.chromium.launch(executable_path=executable(), args=["--no-sandbox"])
        yield browser
        browser.close()


@contextlib.contextmanager
def watched(browser: Browser, url: str, *, expected: tuple[str, ...] = (), **options: Any) -> Iterator[Page]:
    """A page of a new context; fails at its end if something was wrong that has none of the words of `expected`."""
    faults: list[str] = []
    context = browser.new_context(**{"viewport": DESKTOP, "base_url": url, **options})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.on("console", lambda message: faults.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda request: None if request.url.startswith(url + "/") else faults.append(request.url))
    yield page
    context.close()
    assert not [fault for fault in faults if not any(words in fault for words in expected)]


def faults_for_all(page: Page, *, rules: list[str] | None = None) -> list[str]:
    """What axe finds on the page: what people who cannot see it, or use no mouse, cannot use."""
    page.evaluate(AXE)
    # Describing everything that is right takes longer than finding what is wrong.
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    # Hundreds of dots are all alike, and hidden from readers: a table has the same trials.
    script = "async options => (await axe.run({exclude: ['.dots']}, options)).violations"
    found = page.evaluate(script, options)
    return [f"{one['id']}: {node['html']} {node['failureSummary']}" for one in found for node in one["nodes"]]


def refresh(page: Page) -> None:
    """Makes the page look at the server now instead of some seconds later."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def send(page: Page, opener: str, button: str, **fields: str) -> None:
    """Opens a dialog, fills its fields and sends it."""
    page.get_by_role("button", name=opener, exact=True).first.click()
    dialog = page.get_by_role("dialog")
    for name, value in fields.items():
        dialog.get_by_label(name).fill(value)
    dialog.get_by_role("button", name=button, exact=True).click()


def says(page: Page, words: str) -> None:
    """Waits until the page has these words."""
    expect(page.locator("main")).to_contain_text(words)
