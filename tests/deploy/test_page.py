"""The web page in a real browser, as a technician uses it."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page, Route, expect, sync_playwright

from deploy.local.system import System
from samples import Sample, sample_set
from tests.tools import program

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
ANSWER_MS = 20_000


@pytest.fixture
def page(system: System) -> Iterator[Page]:
    """The page in Debian's Chromium, in English, with a key."""
    executable = program("chromium", "chromium-browser", "google-chrome", hint="Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        page = browser.new_page(viewport={"width": 1200, "height": 1000})
        page.goto(system.address)
        page.fill("#key", system.admin_key)
        page.locator("#key").blur()
        yield page
        browser.close()


@pytest.fixture
def probes(api: httpx.Client) -> Iterator[list[Sample]]:
    """Later pictures of PAGE-0 and PAGE-1, who are enrolled."""
    enrolled = {s.patient_id: s for s in sample_set(modality="skin", role="enrol")}
    later = {s.patient_id: s for s in sample_set(modality="skin", role="query") if s.patient_id in enrolled}
    people = list(later)[:2]
    for number, person in enumerate(people):
        api.post(f"/v1/patients/PAGE-{number}/images", files={"file": enrolled[person].read()}).raise_for_status()
    yield [later[person] for person in people]
    for number in range(len(people)):
        api.delete(f"/v1/patients/PAGE-{number}")


DROP = """([name, type, base64]) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type }));
    return transfer;
}"""


def choose(page: Page, sample: Sample) -> None:
    """Choose a file as the dialogue does."""
    page.set_input_files("#file", {"name": "probe", "mimeType": "image/jpeg", "buffer": sample.read()})


def expect_answer(page: Page, text: str) -> None:
    """The decision says so, at once or soon."""
    expect(page.locator("#decision")).to_contain_text(text, timeout=ANSWER_MS)
    expect(page.locator("#result")).to_be_visible()


def hold_first(page: Page, path: str) -> list[Route]:
    """Keep back the first request to a path; it is the only element once it was made."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(path, keep, times=1)
    return held


def let_go(page: Page, held: list[Route]) -> None:
    """Answer what was kept back, and wait until the page has had the answer or wants none."""
    (route,) = held
    route.continue_()
    if response := route.request.response():
        response.finished()
    settle(page)


def settle(page: Page) -> None:
    """Wait until the page has worked off the answers it has: this one comes behind them."""
    page.evaluate("fetch('/health/live').then((response) => response.text())")


def test_a_dropped_sample_is_identified_and_shown(page: Page, probes: list[Sample], tmp_path: Path) -> None:
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    picture = base64.b64encode(probes[0].read()).decode()
    dropped = page.evaluate_handle(DROP, ["probe.jpg", "image/jpeg", picture])
    page.dispatch_event("#drop", "drop", {"dataTransfer": dropped})
    expect_answer(page, "PAGE-0")
    expect(page.locator("#candidates")).to_contain_text("PAGE-0")
    expect(page.locator("#preview")).to_be_visible()
    page.select_option("#point", "investigation")
    expect_answer(page, "Candidates")
    expect(page.locator("#explanation")).to_contain_text("names no patient")
    expect(page.locator("#confidence-text")).to_contain_text("no threshold")
    page.screenshot(path=tmp_path / "page.png", full_page=True)
    assert (tmp_path / "page.png").stat().st_size > 10_000
    assert failures == []


def test_a_late_answer_does_not_replace_that_to_a_newer_picture(page: Page, probes: list[Sample]) -> None:
    held = hold_first(page, "**/v1/identify")
    choose(page, probes[0])
    choose(page, probes[1])
    assert page.is_hidden("#problem")
    expect_answer(page, "PAGE-1")
    let_go(page, held)
    expect_answer(page, "PAGE-1")


@pytest.mark.parametrize(
    ("choice", "option", "place", "text"),
    [
        ("#point", "investigation", "#explanation", "names no patient"),
        ("#modality", "skin", "#modality-text", "as you said"),
    ],
)
def test_a_late_answer_does_not_replace_that_to_a_newer_choice(
    page: Page, probes: list[Sample], choice: str, option: str, place: str, text: str
) -> None:
    held = hold_first(page, "**/v1/identify")
    choose(page, probes[0])
    page.select_option(choice, option)
    expect(page.locator(place)).to_contain_text(text, timeout=ANSWER_MS)
    let_go(page, held)
    expect(page.locator(place)).to_contain_text(text)
    expect(page.locator("#result")).to_be_visible()


def test_a_late_preview_does_not_replace_a_newer_one(page: Page, probes: list[Sample]) -> None:
    held = hold_first(page, "**/v1/preview")
    choose(page, probes[0])
    expect_answer(page, "PAGE-0")
    choose(page, probes[1])
    expect(page.locator("#preview")).to_be_visible(timeout=ANSWER_MS)
    shown = page.get_attribute("#preview img", "src")
    let_go(page, held)
    assert page.get_attribute("#preview img", "src") == shown


def test_a_preview_that_fails_leaves_the_answer_and_says_so(page: Page, probes: list[Sample]) -> None:
    page.route("**/v1/preview", lambda route: route.fulfill(status=503, json={"title": "Not now"}), times=1)
    with page.expect_response("**/v1/preview", timeout=ANSWER_MS):
        choose(page, probes[0])
    settle(page)
    expect_answer(page, "PAGE-0")
    expect(page.locator("#preview-problem")).to_have_text("No preview: Not now")
    expect(page.locator("#preview")).to_be_hidden()
    choose(page, probes[1])
    expect(page.locator("#preview")).to_be_visible(timeout=ANSWER_MS)
    expect(page.locator("#preview-problem")).to_be_hidden()


def test_the_preview_goes_when_the_next_picture_is_refused(page: Page, probes: list[Sample]) -> None:
    choose(page, probes[0])
    expect(page.locator("#preview")).to_be_visible(timeout=ANSWER_MS)
    choose(page, sample_set(role="foreign")[0])
    expect(page.locator("#problem")).to_be_visible(timeout=ANSWER_MS)
    expect(page.locator("#preview")).to_be_hidden()


def test_a_corrected_key_asks_the_same_question_again(page: Page, system: System, probes: list[Sample]) -> None:
    page.fill("#key", "mrid_mistyped")
    page.locator("#key").blur()
    choose(page, probes[0])
    expect(page.locator("#problem")).to_be_visible(timeout=ANSWER_MS)
    page.fill("#key", system.admin_key)
    page.locator("#key").blur()
    expect_answer(page, "PAGE-0")
    expect(page.locator("#problem")).to_be_hidden()


def test_a_corrected_key_without_a_question_clears_the_error(page: Page, system: System) -> None:
    page.fill("#key", "mrid_mistyped")
    page.locator("#key").blur()
    expect(page.locator("#problem")).to_be_visible(timeout=ANSWER_MS)
    page.fill("#key", system.admin_key)
    page.locator("#key").blur()
    expect(page.locator("#problem")).to_be_hidden(timeout=ANSWER_MS)


def drop_folder(page: Page, folder: Path) -> None:
    """Drop a real folder of this machine, as the browser's own drag and drop delivers it."""
    box = page.locator("#drop").bounding_box()
    assert box is not None
    data = {"items": [], "files": [str(folder)], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": box["x"] + 20, "y": box["y"] + 20, "data": data})


def test_a_dropped_folder_is_read_with_its_subfolders(page: Page, probes: list[Sample], tmp_path: Path) -> None:
    inner = tmp_path / "study" / "series"
    inner.mkdir(parents=True)
    (inner / "1.jpg").write_bytes(probes[0].read())
    (inner / ".hidden").write_text("not an image")
    drop_folder(page, tmp_path / "study")
    expect_answer(page, "PAGE-0")


@pytest.mark.parametrize(("files", "title"), [(0, "There is no file in this folder"), (65, "Too many files")])
def test_a_folder_that_cannot_be_asked_is_refused_in_words(page: Page, tmp_path: Path, files: int, title: str) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    for number in range(files):
        (folder / f"{number}.png").touch()
    drop_folder(page, folder)
    expect(page.locator("#problem")).to_contain_text(title, timeout=ANSWER_MS)


def test_a_phone_of_320_pixels_does_not_scroll_sideways(page: Page, probes: list[Sample]) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    widths = [page.evaluate("document.documentElement.scrollWidth")]
    choose(page, probes[0])
    expect_answer(page, "PAGE-0")
    expect(page.locator("#preview")).to_be_visible(timeout=ANSWER_MS)
    widths.append(page.evaluate("document.documentElement.scrollWidth"))
    choose(page, sample_set(role="foreign")[0])
    expect(page.locator("#problem")).to_be_visible(timeout=ANSWER_MS)
    widths.append(page.evaluate("document.documentElement.scrollWidth"))
    assert widths == [320, 320, 320]
