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
S, P = "/studies/p/l", "p/l"


def queue(page: Page) -> None:
    """Opens the form for a trial, with the values of one."""
    page.get_by_role("button", name="Queue a trial").click()
    page.get_by_label("Copy the values of trial").fill("12")
    page.get_by_role("button", name="Copy", exact=True).click()
    page.wait_for_timeout(300)


def brush(page: Page) -> None:
    """Selects the best trials along the last axis of the parallel coordinates."""
    box = draw(page, "#parallel")
    page.mouse.move(box["x"] + box["width"] - 70, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] - 70, box["y"] + 95, steps=4)
    page.mouse.up()
    page.locator("#selected").wait_for()


def draw(page: Page, part: str) -> Any:
    """Waits until the figures of a part are drawn; returns the place of the first one."""
    figures = page.locator(f"{part}[data-figure], {part} [data-figure]")
    for index in range(figures.count()):
        figures.nth(index).scroll_into_view_if_needed()
        figures.nth(index).locator("canvas").first.wait_for()
    return figures.first.locator(".drawing").bounding_box()


PICTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "studies": ("/", {"viewport": {"width": 1280, "height": 640}}),
    "study": (f"{S}/digits", {"viewport": TALL, "figures": "#history, #curves"}),
    "study-dark": (f"{S}/digits", {"color_scheme": "dark", "figures": "#history, #curves"}),
    "study-phone": (f"{S}/digits", {"viewport": PHONE, "device_scale_factor": 2, "figures": "#history"}),
    "parallel": (f"{S}/digits", {"part": "#parallel", "before": brush}),
    "analysis": (f"{S}/digits", {"part": ".analysis", "figures": ".analysis"}),
    "front": (f"{S}/ranker", {"figures": ".pair"}),
    "compare": (f"/compare?study={P}/digits&study={P}/digits-tpe&study={P}/digits-random", {"figures": "main"}),
    "queue": (f"{S}/digits", {"before": queue}),
    "trial": (f"{S}/digits/trials/5", {"viewport": TALL}),
    "trials": (f"{S}/digits?filter=val_accuracy+%3E+0.8&sort=parameters.learning_rate", {"part": "#trials"}),
    "workers": ("/workers", {"viewport": {"width": 1280, "height": 440}}),
    "new": ("/new", {"viewport": TALL}),
}


def take(browser: Browser, url: str, folder: Path) -> None:
    """Takes all pictures."""
    for name, (path, options) in PICTURES.items():
        before, part, figures = (options.pop(name, None) for name in ("before", "part", "figures"))
        context = browser.new_context(**{"viewport": WIDE, "base_url": url, **options})
        page = context.new_page()
        page.goto(path)
        if figures is not None:
            for one in figures.split(", "):
                draw(page, one)
            page.evaluate("scrollTo(0, 0)")
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
        filled.wide()
        filled.digits(70)
        for study_id, name, algorithm in (
            ("digits-tpe", "Digits, TPE", "TPE"),
            ("digits-random", "Digits, random", "RANDOM_SEARCH"),
        ):
            filled.create(study_id, name, algorithm=algorithm, seed="7")
            for number in range(45):
                filled.train(study_id, f"worker-{number % 3}")
        filled.close()
        take(browser, server.url, folder)
        server.stop()


if __name__ == "__main__":
    main()
