"""The server's page in a real browser: an image in, outlines and a count out."""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.servers import TOKEN, serving

from napari_cellseg.core.synthetic import random_scene

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed"
)
pytest.importorskip("starlette", reason="the extra 'serve' is not installed")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
pytestmark = pytest.mark.slow
SECONDS = 280

#: Drops a file onto the page as a person does; selenium has no gesture for it.
DROP = """
const bytes = Uint8Array.from(atob(arguments[0]), c => c.charCodeAt(0));
const data = new DataTransfer();
data.items.add(new File([bytes], arguments[1]));
const drop = document.getElementById("drop");
for (const name of ["dragover", "drop"])
  drop.dispatchEvent(new DragEvent(name, { dataTransfer: data, bubbles: true }));
"""


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    """Return a browser that shows the page of a server."""
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("no Chromium with its driver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    with serving() as address:
        browser = webdriver.Chrome(options, service)
        browser.set_page_load_timeout(SECONDS)
        browser.set_script_timeout(SECONDS)
        try:
            browser.get(address)
            yield browser
        finally:
            browser.quit()


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plane = random_scene(13, (160, 176)).image.plane()[0]
    path = tmp_path_factory.mktemp("images") / "A01 <b>.png"
    Image.fromarray(np.clip(plane, 0, 255).astype(np.uint8)).save(path)
    return path


def wait_until(page: Any, is_so: Any, **more: str) -> None:
    """Wait until something is so on the page."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, SECONDS).until(is_so, **more)


def token(page: Any, text: str) -> None:
    field = page.find_element("id", "token")
    field.clear()
    field.send_keys(text)


def line_like(page: Any, pattern: str) -> str:
    """Wait until the line of the result begins like this, and return it."""
    line = page.find_element("id", "line")
    wait_until(page, lambda _: re.match(pattern, line.text), message=pattern)
    return str(line.text)


def test_a_chosen_image_gets_outlines_and_a_count(page: Any, picture: Path) -> None:
    token(page, TOKEN)
    page.find_element("id", "file").send_keys(str(picture))
    told = line_like(page, r"\d+ cells in")
    assert int(told.split()[0]) > 3
    # The name of a file is text, whatever it looks like.
    assert "A01 <b>.png" in told
    result = page.find_element("id", "result")
    wait_until(page, lambda _: result.is_displayed())
    wait_until(page, lambda _: result.get_property("naturalWidth") == 176)
    shown = Image.open(io.BytesIO(result.screenshot_as_png)).convert("RGB")
    orange = np.abs(np.asarray(shown, np.int16) - (255, 176, 32)).sum(-1) < 60
    assert orange.sum() > 50


def test_the_same_image_can_be_chosen_again_with_the_right_token(
    page: Any, picture: Path
) -> None:
    token(page, "wrong")
    page.find_element("id", "file").send_keys(str(picture))
    line_like(page, "the token is missing or wrong; ask who")
    token(page, TOKEN)
    page.find_element("id", "file").send_keys(str(picture))
    assert int(line_like(page, r"\d+ cells in").split()[0]) > 3


def test_a_dropped_image_does_as_well(page: Any, picture: Path) -> None:
    token(page, TOKEN)
    body = base64.b64encode(picture.read_bytes()).decode()
    page.execute_script(DROP, body, "dropped.png")
    assert int(line_like(page, r"\d+ cells in dropped.png").split()[0]) > 3


#: The first image is answered after the second one.
SLOW_FIRST = """
const real = window.fetch;
let n = 0;
window.fetch = async () => {
  const number = ++n;
  await new Promise(done => setTimeout(done, number === 1 ? 900 : 100));
  return new Response(new Blob(["x"]), { headers: { "X-Cells": String(number) } });
};
const done = arguments[0];
for (const name of ["first.png", "second.png"]) {
  const files = new DataTransfer();
  files.items.add(new File(["x"], name));
  document.getElementById("drop").dispatchEvent(
    new DragEvent("drop", { dataTransfer: files, bubbles: true }));
}
setTimeout(() => {
  window.fetch = real;
  done(document.getElementById("line").textContent);
}, 2000);
"""


def test_the_image_that_was_dropped_last_is_the_one_that_is_shown(page: Any) -> None:
    assert page.execute_async_script(SLOW_FIRST).startswith("2 cells in second.png")


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("notes.txt", TOKEN, "notes.txt is no TIFF, PNG or JPEG"),
        ("broken.png", TOKEN, "(?!Looking).*cannot|(?!Looking).*no image"),
        ("again.png", "wrong", "the token is missing or wrong"),
    ],
    ids=["no image", "damaged", "token"],
)
def test_what_cannot_be_done_is_said_on_the_page(
    page: Any, name: str, given: str, words: str
) -> None:
    token(page, given)
    page.execute_script(DROP, base64.b64encode(b"nothing").decode(), name)
    told = line_like(page, words)
    assert "cells in" not in told
    assert not page.find_element("id", "result").is_displayed()


def test_the_page_asks_nobody_else_and_reports_no_fault(page: Any) -> None:
    log = page.get_log("browser")
    faults = [entry["message"] for entry in log if "Uncaught" in entry["message"]]
    assert faults == []
    source = page.page_source
    assert "http://" not in source.replace("http://127.0.0.1", "")
    assert "https://" not in source
