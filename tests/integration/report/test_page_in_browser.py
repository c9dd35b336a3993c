"""The page as a browser shows it: nothing fetched, no error, nothing that axe finds, usable by keyboard."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

from quantgate.pipelines.report.build_report import BuildReport
from quantgate.pipelines.report.page.rendering import write_page
from tests.support.verdicts.reports import example_report

pytestmark = pytest.mark.integration

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
SIZES = {"flat": 24, "numeric": 20, "refusal": 14, "tail": 6}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = ["color-contrast"]
"""All that a scheme can change."""


@pytest.fixture(scope="module")
def report() -> BuildReport:
    return example_report(SIZES)


@pytest.fixture(scope="module")
def address(report: BuildReport, tmp_path_factory: pytest.TempPathFactory) -> str:
    file: Path = tmp_path_factory.mktemp("page") / "index.html"
    write_page(report, file)
    return file.as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here (apt-get install chromium)")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, with all that its console said and all that it asked for."""
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    opened = context.new_page()
    trouble: list[str] = []
    opened.on("console", lambda message: trouble.append(message.text))
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on("request", lambda request: trouble.append(request.url))
    opened.goto(address)
    opened.wait_for_selector("#ledger .item")
    yield opened
    assert trouble == [address]


def shown(page: Page) -> str:
    return str(page.inner_text("#shown"))


@pytest.mark.parametrize(("scheme", "rules"), [("light", RULES), ("dark", COLOURS)])
def test_axe_finds_nothing_in_either_scheme_and_no_width_scrolls_sideways(
    page: Page, scheme: str, rules: list[str]
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.eval_on_selector_all("details", "all => all.forEach(each => each.open = true)")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    for width in (400, 800, 1400):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") == width
    found = Axe().run(page, options={"runOnly": rules})
    assert found.response["violations"] == [], found.generate_report()[:3000]
    page.keyboard.press("Enter")
    page.eval_on_selector_all("details", "all => all.forEach(each => each.open = false)")


def test_answers_are_filtered_opened_and_copied(page: Page, report: BuildReport) -> None:
    q2 = next(v.verdict for v in report.variants if v.identifier.endswith("Q2_K"))
    assert q2 is not None
    assert q2.whole is not None
    page.select_option("select[name=variant]", "Q2_K")
    page.select_option("select[name=kind]", "broke")
    broke = q2.whole.statistics.broke
    assert shown(page) == f"{broke} answers on {broke} items"
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    first = page.locator("#ledger .item").first
    assert "current" in (first.get_attribute("class") or "")
    assert first.locator(".answer mark").count() > 0
    page.click("button[name=copy]")
    lines = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert shown(page) == f"copied {broke} lines"
    assert {json.loads(line)["kind"] for line in lines} == {"broke"}
    assert {json.loads(line)["item_id"] for line in lines} == {
        item.item_id for item in q2.items if item.stable and item.outcome.value == "broke"
    }
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    page.keyboard.type("no such words")
    assert shown(page) == "0 answers on 0 items"
    page.click("button[type=reset]")
    page.wait_for_selector("#ledger .item")


def test_a_link_opens_its_item_whatever_is_filtered(page: Page, report: BuildReport) -> None:
    verdict = report.variants[2].verdict
    assert verdict is not None
    item = next(each for each in verdict.items if each.outcome.value == "broke")
    page.select_option("select[name=variant]", "Q8_0")
    page.evaluate("id => location.hash = '#item-' + encodeURIComponent(id)", item.item_id)
    opened = page.locator(f"[id='item-{item.item_id}'].current .opened")
    opened.wait_for()
    assert item.reference.shown in opened.inner_text()


def test_without_its_script_the_page_lists_answers(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    assert page.locator("#listed .item").first.is_visible()
    assert not page.locator("#filters").is_visible()
    context.close()
