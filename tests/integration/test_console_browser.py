"""The page in a real browser: what is seen, what is kept when it refreshes, and what a hostile text cannot do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import PageProblems, accessible_parts, open_page, wait_for
from tests.console_harness import (
    ConsoleStage,
    console_stage,
    objective_series,
    on_call,
    tell_a_story,
    tell_of_long_names,
)

pytestmark = pytest.mark.integration

PICTURES = Path(__file__).resolve().parents[2] / "build" / "console"
"""Where the pictures of the page are left, to be looked at."""
READABLE = 4.5
"""The least contrast of text to its background that WCAG 2.2 allows at level AA."""
CONTRASTS = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((one) => one / 255)
      .map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element; one; one = one.parentElement) {
      const colour = rgb(getComputedStyle(one).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility()) continue;
    const [one, other] = [light(rgb(getComputedStyle(element).color)), light(behind(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    found.push({ text: walker.currentNode.data.trim().slice(0, 40), contrast });
  }
  return found;
})()"""
MISPLACED = """(() => {
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const range = document.createRange();
  const found = [];
  while (walker.nextNode()) {
    const text = walker.currentNode;
    const hidden = text.parentElement.closest(".skip, thead");
    if (!text.data.trim() || !text.parentElement.checkVisibility()) continue;
    if (hidden && getComputedStyle(hidden).position === "absolute") continue;
    const place = text.parentElement.closest("th, td, section, header, footer").getBoundingClientRect();
    for (const { 0: word, index } of text.data.matchAll(/[^\\s-]+-*/g)) {
      range.setStart(text, index);
      range.setEnd(text, index + word.length);
      const parts = [...range.getClientRects()];
      const outside = parts.some((part) => part.left < place.left - 1 || part.right > place.right + 1);
      if (outside || new Set(parts.map((part) => part.top)).size > 1) found.push(word);
    }
  }
  return found;
})()"""
"""The words, or the parts of words that end in a hyphen, that are broken or reach out of their cell or section."""
HOSTILE = (
    '"><img src=x onerror=hurt()><script>hurt()</script><svg/onload=hurt()>',
    "' autofocus onfocus='hurt()",
    "</template><script>hurt()</script>",
    "]]><!--",
    "W" * 3000,
)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[ConsoleStage]:
    with console_stage(tmp_path) as running:
        yield running


@pytest.fixture
def opened(browser: Browser, stage: ConsoleStage) -> Iterator[tuple[Page, PageProblems]]:
    tell_a_story(stage)
    page, problems = open_page(browser, f"{stage.address}/")
    yield page, problems
    page.context.close()


@pytest.fixture
def page(opened: tuple[Page, PageProblems]) -> Page:
    return opened[0]


@pytest.fixture
def problems(opened: tuple[Page, PageProblems]) -> PageProblems:
    return opened[1]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 900, 360])
def test_it_can_be_read_by_day_and_by_night_on_wide_and_narrow_windows(
    page: Page, problems: PageProblems, scheme: Literal["light", "dark"], width: int
) -> None:
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": width, "height": 1000})
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")

    page.screenshot(path=PICTURES / f"{scheme}-{width}.png", full_page=True)

    contrasts: list[dict[str, Any]] = page.evaluate(CONTRASTS)
    assert len(contrasts) > 60
    assert [one for one in contrasts if one["contrast"] < READABLE] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    assert dark == (scheme == "dark")
    assert problems.found == []


def test_no_word_is_broken_or_leaves_its_place(page: Page, stage: ConsoleStage) -> None:
    tell_of_long_names(stage)
    wait_for(page, "document.querySelector('#firing').textContent.includes('suppressed by KafkaConsumerLagCritical')")
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")

    for width in (1700, 1400, 1150, 1149, 900, 760, 700, 480, 400, 360, 320):
        page.set_viewport_size({"width": width, "height": 1000})
        page.screenshot(path=PICTURES / f"long-names-{width}.png", full_page=True)
        assert (width, page.evaluate(MISPLACED)) == (width, [])
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [1400, 360])
def test_budgets_and_burn_rates_are_drawn_to_scale_and_follow_what_prometheus_says(
    page: Page, problems: PageProblems, stage: ConsoleStage, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    wait_for(page, "document.querySelectorAll('#objectives tbody tr').length === 4")
    shares = """[...document.querySelectorAll('#objectives .bar')].map((bar) => {
      const [left, track] = ['.left', '.track'].map((part) => bar.querySelector(part).getBoundingClientRect().width);
      return left / track;
    })"""
    lines = """[...document.querySelectorAll('#objectives .course')].map((svg) => {
      const [line, box] = [svg.querySelector('polyline').getBoundingClientRect(), svg.getBoundingClientRect()];
      return line.width > 0.9 * box.width && line.top >= box.top - 1 && line.bottom <= box.bottom + 1;
    })"""

    assert page.evaluate(shares) == pytest.approx([0, 0.07, 0.43, 0.982], abs=0.01)
    assert page.evaluate(lines) == [True] * 4
    stage.back_ends.series = objective_series("gateway", 0.25, [0.2, 30.0])
    wait_for(page, "document.querySelectorAll('#objectives tbody tr').length === 1")

    assert page.evaluate(shares) == pytest.approx([0.25], abs=0.01)
    page.locator("#objectives").screenshot(path=PICTURES / f"objectives-{width}.png")
    assert problems.found == []


def test_what_happens_is_shown_and_the_reader_keeps_the_place(
    page: Page, problems: PageProblems, stage: ConsoleStage
) -> None:
    page.set_viewport_size({"width": 1400, "height": 500})
    page.evaluate("document.querySelector('#repairs summary').focus()")
    page.keyboard.press("Enter")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('#repairs pre'))")
    page.evaluate("document.querySelector('#repairs summary').scrollIntoView({ block: 'center' })")
    place = "Math.round(document.querySelector('#repairs tbody tr:last-child summary').getBoundingClientRect().top)"
    wait_for(page, "document.querySelector('#repairs details').open && scrollY > 0")
    before = page.evaluate(place)

    for number in range(5):
        stage.fire("HighErrorBudgetBurn", f"service-{number}")
    stage.repair("command-2", pod="orders-2", output="another")
    wait_for(page, "document.querySelectorAll('#repairs tbody tr').length === 2")
    wait_for(page, "document.querySelectorAll('#firing table:first-of-type tbody tr').length === 9")

    assert page.evaluate("document.title").startswith("9 firing")
    old, new = "#repairs tbody tr:last-child", "#repairs tbody tr:first-child"
    assert page.evaluate(f"document.querySelector('{old} details').open")
    assert not page.evaluate(f"document.querySelector('{new} details').open")
    assert page.evaluate(f"document.activeElement === document.querySelector('{old} summary')")
    assert page.evaluate("getSelection().toString()") == "pod orders-1 deleted"
    assert abs(page.evaluate(place) - before) <= 1
    assert problems.found == []


def test_without_a_focus_the_row_at_the_top_of_the_window_stays_there(page: Page, stage: ConsoleStage) -> None:
    page.set_viewport_size({"width": 1400, "height": 400})
    row = "document.querySelector('[data-key=\"incident:Q7\"]').getBoundingClientRect().top"
    page.evaluate("document.querySelector('[data-key=\"incident:Q7\"]').scrollIntoView()")
    assert page.evaluate(row) == pytest.approx(0, abs=1)

    for number in range(5):
        stage.fire("HighErrorBudgetBurn", f"service-{number}")
    wait_for(page, "document.querySelectorAll('#firing table:first-of-type tbody tr').length === 9")

    assert page.evaluate(row) == pytest.approx(0, abs=1)


def test_what_ends_goes_to_where_it_belongs(page: Page, stage: ConsoleStage) -> None:
    labels = stage.fire("HighMemoryUsage", "positions")
    wait_for(page, "document.querySelector('#firing tbody').textContent.includes('HighMemoryUsage')")

    stage.resolve(labels)

    wait_for(page, "!document.querySelector('#firing tbody').textContent.includes('HighMemoryUsage')")
    assert page.evaluate("document.querySelector('#firing h3 + table').textContent.includes('HighMemoryUsage')")


def test_a_link_leads_from_an_alert_to_its_incident_and_its_route(page: Page) -> None:
    page.set_viewport_size({"width": 1400, "height": 500})
    for target in ("incident-Q7", "route-pagerduty-critical-orders"):
        page.evaluate(f"document.querySelector('a[href=\"#{target}\"]').click()")

        wait_for(page, f"document.querySelector(':target').id === '{target}'")
        wait_for(page, "document.querySelector(':target').getBoundingClientRect().top < innerHeight")
        assert page.evaluate("document.querySelector(':target').getBoundingClientRect().bottom") > 0


def test_it_can_be_used_with_the_keyboard_alone(page: Page) -> None:
    page.keyboard.press("Tab")

    assert page.evaluate("document.activeElement.textContent") == "Skip to what fires"
    assert page.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    page.keyboard.press("Enter")
    wait_for(page, "document.activeElement.id === 'main'")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('#firing').contains(document.activeElement)")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


@pytest.mark.parametrize("width", [1400, 360])
def test_a_screen_reader_is_given_headings_and_tables_with_headers(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})

    parts = accessible_parts(page)

    headings = [part["name"] for part in parts if part["role"] == "heading"]
    assert headings[0] == "Orion Alerting sandbox"
    assert {"What fires, and where it went", "Incidents", "On call", "Repairs", "Slack", "Routes"} <= set(headings)
    columns = [part["name"] for part in parts if part["role"] == "columnheader"]
    assert columns[:4] == ["Alert", "Service", "Since", "Where it went"]
    rows = [part["name"] for part in parts if part["role"] == "rowheader"]
    assert any("CriticalLatency" in name for name in rows)
    assert [part for part in parts if part["role"] in {"link", "button"} and not part["name"]] == []


def test_text_of_others_does_nothing_and_breaks_nothing(browser: Browser, stage: ConsoleStage) -> None:
    page, problems = open_page(browser, f"{stage.address}/", width=360)
    page.evaluate("void (window.hurt = () => { window.harmed = true; })")  # a function would be called
    for number, text in enumerate(HOSTILE):
        labels = stage.fire(text, text, text, pod=text)
        key = stage.notify(labels, text, "{}")
        stage.page_someone(number, key, service=text, summary=text, person=text)
        stage.post(text, text, text, text)
        stage.repair(text, pod=text, output=text, errors=text, status=text)
    stage.back_ends.on_call = [on_call(text, 1, text, "2026-11-30T14:00:00Z") for text in HOSTILE]

    wait_for(page, f"document.querySelectorAll('#oncall tbody').length === {len(HOSTILE)}")
    wait_for(page, f"document.querySelectorAll('#repairs tbody tr').length === {len(HOSTILE)}")
    page.screenshot(path=PICTURES / "hostile-360.png", full_page=True)

    assert page.evaluate("window.harmed") is None
    assert problems.found == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert page.evaluate("document.querySelector('#firing').textContent").count(HOSTILE[0])


def test_it_says_when_nobody_answers_any_more(page: Page, stage: ConsoleStage) -> None:
    stage.stop_answering("alertmanager 0", "alertmanager 1", "pagerduty")
    wait_for(page, "document.querySelector('#oncall .silent') !== null")
    page.screenshot(path=PICTURES / "back-ends-down.png", full_page=True)
    assert page.evaluate("document.querySelector('#oncall').textContent.includes('Ada')")
    assert not page.evaluate("document.querySelector('#gone').checkVisibility()")

    stage.stop()

    wait_for(page, "document.querySelector('#gone').checkVisibility()")
    assert page.evaluate("document.querySelector('#oncall').textContent.includes('Ada')")


def test_it_is_whole_where_scripts_are_off(browser: Browser, stage: ConsoleStage) -> None:
    tell_a_story(stage)
    page, _ = open_page(browser, f"{stage.address}/", scripts=False)
    wait_for(page, "document.readyState === 'complete' && document.querySelector('#firing tbody tr') !== null")
    assert not page.evaluate("document.querySelector('#firing tbody').textContent.includes('HighMemoryUsage')")
    stage.fire("HighMemoryUsage", "positions")

    wait_for(page, "document.querySelector('#firing tbody')?.textContent.includes('HighMemoryUsage')")
