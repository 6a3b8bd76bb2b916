"""Takes the pictures of the pages that the documentation shows: python -m tests.web.screenshots [FOLDER]."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from tests.support.processes import ServerProcess
from tests.web.browser import PHONE, chromium
from tests.web.filled import ACCURACY, Filled

FOLDER = Path(__file__).parents[2] / "docs" / "images"
TALL = {"width": 1280, "height": 1180}
WIDE = {"width": 1280, "height": 860}
S = "/studies/p/l"


def queue(page: Page) -> None:
    """Opens the form for a trial, with the values of one."""
    page.get_by_role("button", name="Queue a trial").click()
    page.get_by_label("Copy the values of trial").fill("12")
    page.get_by_role("button", name="Copy", exact=True).click()
    page.wait_for_timeout(300)


PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "studies": ("/", {"viewport": {"width": 1280, "height": 440}}),
    "study": (f"{S}/digits", {"viewport": TALL}),
    "study-dark": (f"{S}/digits", {"color_scheme": "dark"}),
    "study-phone": (f"{S}/digits", {"viewport": PHONE, "device_scale_factor": 2}),
    "parallel": (f"{S}/digits", {"part": "#parallel"}),
    "front": (f"{S}/ranker", {}),
    "queue": (f"{S}/digits", {"before": queue}),
}


def take(browser: Browser, url: str, folder: Path) -> None:
    """Takes all pictures."""
    for name, (path, options) in PICTURES.items():
        before, part = options.pop("before", None), options.pop("part", None)
        context = browser.new_context(**{"viewport": WIDE, "base_url": url, **options})
        page = context.new_page()
        page.goto(path)
        if before is not None:
            before(page)
        shown = page if part is None else page.locator(part)
        shown.screenshot(path=folder / f"{name}.png", animations="disabled")
        context.close()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        server = ServerProcess(Path(place)).start()
        filled = Filled(server.url)
        filled.create("mnist-cnn", "MNIST, convolutional", metrics=[ACCURACY], studyStoppingConfig={"maxNumTrials": 40})
        filled.ranker(70)
        filled.digits(70)
        filled.close()
        take(browser, server.url, folder)
        server.stop()


if __name__ == "__main__":
    main()
