"""The web page as a person uses it, in a real browser."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, expect, sync_playwright

from deploy.local.system import System
from samples import sample_set

pytestmark = [pytest.mark.enable_socket, pytest.mark.allow_hosts(["127.0.0.1"]), pytest.mark.timeout(180)]
ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture
def page(system: System) -> Iterator[Page]:
    """The page in Debian's Chromium, in English."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip("needs a Chromium on the PATH (Debian: apt-get install chromium)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.goto(system.address)
        yield page
        browser.close()


DROP = """([name, type, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type }));
    return transfer;
}"""


def test_a_dropped_sample_is_identified_and_shown(
    page: Page, system: System, api: httpx.Client, tmp_path: Path
) -> None:
    first = sample_set(modality="skin", role="enrol")[0]
    second = next(s for s in sample_set(modality="skin", role="query") if s.patient_id == first.patient_id)
    api.post("/v1/patients/PAGE-1/images", files={"file": first.read()})
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.fill("#key", system.admin_key)
    page.locator("#key").blur()
    dropped = page.evaluate_handle(DROP, ["probe.jpg", "image/jpeg", base64.b64encode(second.read()).decode()])
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("#decision")).to_contain_text("PAGE-1", timeout=20_000)
    expect(page.locator("#candidates")).to_contain_text("PAGE-1")
    expect(page.locator("#preview")).to_be_visible()
    page.select_option("#point", "investigation")
    expect(page.locator("#decision")).to_contain_text("Candidates", timeout=20_000)
    expect(page.locator("#explanation")).to_contain_text("names nobody")
    expect(page.locator("#confidence-text")).to_contain_text("no threshold")
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert failures == []
    api.delete("/v1/patients/PAGE-1")
