"""The report in headless Chromium: what people see, and whether they can use it."""

import base64
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gancompress.report import write_report

pytestmark = pytest.mark.browser

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
# Where the browser must be there, as in CI, its absence is a failure.
REQUIRED = "GANCOMPRESS_REQUIRE_BROWSER"
SIZES = {"light": (1280, 900), "dark": (1280, 900), "phone": (390, 844)}
LIMIT = 5_000_000
# Text nodes with their colours: the first opaque background behind each, and the size.
CONTRAST = """
const linear = (v) => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((v) => linear(v / 255));
  return .2126 * r + .7152 * g + .0722 * b;
};
const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
const found = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, element = node.parentElement;
  if (!node.data.trim() || !element.checkVisibility()) continue;
  if (element.closest("script, style, title")) continue;
  const style = getComputedStyle(element);
  const ink = parse(element.closest("svg") ? style.fill : style.color).slice(0, 3);
  let behind = element, paper = [];
  while (behind && !(paper.length === 3 || paper[3] > .99)) {
    paper = parse(getComputedStyle(behind).backgroundColor);
    behind = behind.parentElement;
  }
  const [a, b] = [luminance(ink), luminance(paper.slice(0, 3))].sort((x, y) => y - x);
  found.push([(a + .05) / (b + .05), node.data.trim().slice(0, 40), element.className.toString()]);
}
return found.sort((x, y) => x[0] - y[0]);
"""

AT = """
return [...document.querySelectorAll(".view")].map((v) => v.style.getPropertyValue("--at"));
"""
EDGE = "return document.querySelector('.view .edge').getBoundingClientRect().left"
SHOWN = """
return [...document.querySelectorAll(".over.whole")].filter((i) => i.checkVisibility()).length;
"""
OUTLINE = """
const at = document.activeElement;
return getComputedStyle(at.closest(".view") || at).outlineStyle;
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not (BROWSER and DRIVER):
        reason = "no chromium and chromedriver (Debian: apt-get install chromium chromium-driver)"
        if os.environ.get(REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(executable_path=DRIVER)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


@pytest.fixture(scope="module")
def page(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report([whole], tmp_path_factory.mktemp("page") / "report.html")


def look(browser: Any, page: Path, view: str = "light") -> None:
    width, height = SIZES[view]
    theme = {"name": "prefers-color-scheme", "value": "dark" if view == "dark" else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": view == "phone"}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get(page.resolve().as_uri())


def photograph(browser: Any, target: Path) -> None:
    size = browser.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 9000), "scale": 1}
    words = {"format": "png", "captureBeyondViewport": True, "clip": clip}
    shot = browser.execute_cdp_cmd("Page.captureScreenshot", words)
    target.write_bytes(base64.b64decode(shot["data"]))


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where pictures of the page are kept: in the folder that the environment names, if any."""
    named = os.environ.get("GANCOMPRESS_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.mark.parametrize("view", SIZES)
def test_it_loads_reads_and_fits(browser: Any, page: Path, shots: Path, view: str) -> None:
    browser.get_log("browser")
    browser.get_log("performance")
    look(browser, page, view)
    photograph(browser, shots / f"report-{view}.png")

    assert browser.get_log("browser") == []
    pictures = browser.execute_script(
        "return [...document.images].map((i) => [i.naturalWidth, i.alt, i.src.slice(0, 11)])"
    )
    assert len(pictures) >= 5 * 16
    assert all(width > 0 and alt and kind == "data:image/" for width, alt, kind in pictures)
    messages = [json.loads(e["message"])["message"] for e in browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in messages if "request" in m["params"]]
    assert all(url.startswith(("file:", "data:")) for url in asked)
    wide = browser.execute_script("return document.documentElement.scrollWidth")
    assert wide <= SIZES[view][0]
    browser.execute_script("document.querySelectorAll('details').forEach((d) => d.open = true)")
    worst = browser.execute_script(CONTRAST)
    assert len(worst) > 100
    assert worst[0][0] >= 4.5, worst[:5]


def test_the_sliders_move_by_key_and_all_at_once(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    look(browser, page)
    at, edge, shown = AT, EDGE, SHOWN
    before = browser.execute_script(edge)
    assert set(browser.execute_script(at)) == {"50%"}
    browser.find_element("css selector", ".view input").send_keys(Keys.ARROW_RIGHT * 10)
    assert browser.execute_script(at)[:2] == ["60%", "50%"]
    assert browser.execute_script(edge) > before
    browser.find_element("css selector", "input[data-all]").send_keys(Keys.HOME)
    assert set(browser.execute_script(at)) == {"0%"}
    assert browser.execute_script(shown) == 0
    browser.find_element("css selector", "input[data-errors]").send_keys(Keys.SPACE)
    assert browser.execute_script(shown) == 16


def test_the_points_of_the_search_name_their_subnets(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    look(browser, page)
    plot = browser.find_element("css selector", "#search1 svg.wide")
    said = browser.find_element("css selector", "#search1 .said")
    plot.send_keys(Keys.ARROW_LEFT)
    first = said.text
    assert "subnet" in first
    assert "MACs" in first
    assert "widths" in first
    plot.send_keys(Keys.ARROW_LEFT)
    assert said.text != first


def test_the_button_changes_the_theme_and_tab_reaches_everything(browser: Any, page: Path) -> None:
    from selenium.webdriver.common.keys import Keys

    look(browser, page)
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(paper)
    button = browser.find_element("id", "theme")
    assert button.text == "Dark theme"
    button.send_keys(Keys.ENTER)
    assert browser.execute_script(paper) != light
    assert button.text == "Light theme"
    browser.execute_script("localStorage.clear()")
    look(browser, page)
    reached = set()
    for _ in range(14):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached.add(browser.execute_script("return document.activeElement.tagName"))
    assert {"A", "BUTTON", "INPUT"} <= reached
    assert browser.execute_script(OUTLINE) == "solid"


def test_two_runs_beside_one_another(
    browser: Any, whole: Path, run: Path, tmp_path: Path, shots: Path
) -> None:
    config = json.loads((run / "config.json").read_text())
    config["search"]["trials"] = 99
    (run / "config.json").write_text(json.dumps(config))
    page = write_report([whole, run.rename(tmp_path / "other")], tmp_path / "both.html")
    browser.get_log("browser")
    look(browser, page)
    photograph(browser, shots / "comparison-light.png")
    assert browser.get_log("browser") == []
    text = browser.find_element("id", "comparison").text
    assert "search.trials" in text
    assert "MACs, true" in text
    assert len(browser.find_elements("css selector", "#comparison .view")) == 8
    assert page.stat().st_size < LIMIT


def test_a_young_run_shows_what_is_not_done(
    browser: Any, run: Path, tmp_path: Path, shots: Path
) -> None:
    young = tmp_path / "young"
    young.mkdir()
    shutil.copy(run / "config.json", young)
    browser.get_log("browser")
    look(browser, write_report([young]), "phone")
    photograph(browser, shots / "young-phone.png")
    assert browser.get_log("browser") == []
    assert browser.find_element("tag name", "main").text.count("not done yet") >= 7
    assert browser.execute_script(CONTRAST)[0][0] >= 4.5
