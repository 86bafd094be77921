"""The runbooks' site, as its generator builds it: alerts' links lead to sections, search works, nothing is remote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import Browser, expect

from alerting.build import build_platform, load_catalog
from alerting.catalog import Catalog
from alerting.loader import read_catalog
from alerting.settings import Environment
from cli.site import SiteFailed, build_site
from cli.stack_config import read_settings
from sandbox.runbooks import create_application
from sandbox.service import HttpService, wait_until_ready
from tests.alerting_data import ROOT, changed, settings
from tests.browser import WAIT_SECONDS, open_page
from tests.browser_requests import taken
from tests.command_line import run
from tests.console_harness import console_stage

pytestmark = pytest.mark.integration
START_SECONDS = 10
PICTURES = ROOT / "build" / "runbooks"
"""Where pictures of the site are left, to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A served site, and the runbook address of each alert as it is deployed with that address."""

    address: str
    links: dict[str, str]


def deployed_links(catalog: Catalog, address: str) -> dict[str, str]:
    stack = settings(Environment.SANDBOX)
    addresses = stack.addresses.model_copy(update={"runbooks": address})
    platform = build_platform(catalog, stack.model_copy(update={"addresses": addresses}))
    rules = [rule for file in platform.rules for group in file.groups for rule in group["rules"] if "alert" in rule]
    return {rule["alert"]: rule["annotations"]["runbook_url"] for rule in rules}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The site of the project's own runbooks, as the sandbox serves it."""
    catalog = load_catalog(ROOT)
    folder = tmp_path_factory.mktemp("runbooks") / "site"
    build_site(catalog, read_settings(ROOT, "sandbox"), folder)
    service = HttpService("runbooks", create_application(folder))
    service.start()
    wait_until_ready(service, timeout_seconds=START_SECONDS)
    yield Served(address=service.address, links=deployed_links(catalog, service.address))
    service.stop()


@pytest.mark.own_catalog
def test_the_link_of_every_alert_leads_to_a_section_of_its_page(site: Served) -> None:
    with httpx.Client() as client:
        for alert, link in site.links.items():
            answer = client.get(link)

            assert answer.status_code == 200, link
            assert f"<title>{alert} - Orion runbooks</title>" in answer.text
            assert f'id="{urlsplit(link).fragment}"' in answer.text, link


@pytest.mark.own_catalog
def test_a_click_on_an_alerts_link_on_the_sandboxs_page_opens_the_section(
    browser: Browser, site: Served, tmp_path: Path
) -> None:
    with console_stage(tmp_path) as stage:
        stage.fire("ServiceDown", "gateway", runbook_url=site.links["ServiceDown"])
        console, _ = open_page(browser, f"{stage.address}/")
        with console.context.expect_page() as opened:
            console.get_by_role("link", name="Runbook", exact=True).click()
        page = opened.value
        page.wait_for_load_state()
        page.screenshot(path=PICTURES / "section.png")

        assert page.title() == "ServiceDown - Orion runbooks"
        assert page.url == site.links["ServiceDown"]
        heading = page.locator("#diagnosis")
        expect(heading).to_be_in_viewport(timeout=WAIT_SECONDS * 1000)
        assert page.evaluate("document.querySelector('#diagnosis').getBoundingClientRect().top < innerHeight / 4")


@pytest.mark.own_catalog
def test_a_search_finds_a_page_and_nothing_is_asked_of_any_other_server(browser: Browser, site: Served) -> None:
    page, problems = open_page(browser, "about:blank")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site.address}/")
    page.keyboard.press("/")
    page.get_by_role("combobox", name="Search").fill("ExporterPartSilent")
    result = page.locator('a[href*="/ExporterPartSilent/?h="]').first
    expect(result).to_be_visible(timeout=WAIT_SECONDS * 1000)
    page.screenshot(path=PICTURES / "search.png")
    result.click()
    page.wait_for_url("**/ExporterPartSilent/?h=*")

    assert any(url.endswith("search.json") for url in asked)
    assert [url for url in asked if not url.startswith((site.address, "data:", "blob:"))] == []
    assert problems.found == []


def test_it_answers_no_page_of_another_site_and_nothing_outside_its_folder(site: Served) -> None:
    port = int(site.address.rsplit(":", 1)[1])

    assert taken(port) == {}
    assert httpx.get(f"{site.address}/Nothing/").status_code == 404
    assert httpx.get(f"{site.address}/%2e%2e/addresses.json").status_code == 404
    assert httpx.get(f"{site.address}/ServiceDown").headers["location"].endswith("/ServiceDown/")


def test_a_command_builds_it_where_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "site"
    output.mkdir()
    (output / "left.html").touch()
    code, said, _ = run(monkeypatch, capsys, "site", "--output", str(output))

    assert code == 0
    assert "to be published at https://runbooks.orion.example.com" in said
    assert (output / "ServiceDown" / "index.html").exists()
    assert not (output / "left.html").exists()


def test_what_the_generator_refuses_is_told_in_its_words(tmp_path: Path) -> None:
    root = changed(tmp_path / "root", "runbooks/ServiceDown.md", "What users notice.", "See [x](y.md).")
    catalog = read_catalog(root)  # which follows no references

    with pytest.raises(SiteFailed) as raised:
        build_site(catalog, settings(), tmp_path / "site")

    assert "page does not exist" in str(raised.value)
    assert "ServiceDown.md:21:9" in str(raised.value)
    assert "Traceback" not in str(raised.value)
    assert "\x1b" not in str(raised.value)
