"""The local Sentry's page in a real browser: rows, sorting, filters, plots, one failure's whole story, live."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.select import Select

from monitoring.local import LocalSentry
from tests.e2e import browser
from tests.harness.polling import wait_until
from tests.unit.local.conftest import Caller, envelope, item, metric, metrics

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(bool(browser.missing()), reason=f"not installed: {browser.missing()} (.ci/run installs them)"),
]
TRAFFIC = Path(__file__).with_name("local_sentry_traffic.py")
RUNS = 600


class Page:
    """What an operator sees and does."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        """Load the page and wait for its first answer."""
        self.driver.get("about:blank")  # an address that differs only behind its # would not be loaded anew
        self.driver.get(url)
        wait_until(lambda: self.text("#state") not in {"", "connecting"}, "the first answer")

    def all(self, selector: str) -> list[WebElement]:
        """Find elements."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """Find an element."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """Read an element's text as it is shown."""
        text: str = self.driver.execute_script("return document.querySelector(arguments[0])?.innerText ?? ''", selector)
        return text.strip()

    def rows(self) -> list[list[str]]:
        """Read the performance table in one go: it may be redrawn at any moment."""
        cells = "[...row.cells].map(cell => cell.innerText)"
        script = f"return [...document.querySelectorAll('#performance tbody tr')].map(row => {cells})"
        rows: list[list[str]] = self.driver.execute_script(script)
        return rows

    def column(self, name: str) -> list[str]:
        """Read a column by its heading, the first of that name."""
        script = "return [...document.querySelectorAll('#performance thead tr:last-child th')].map(h => h.innerText)"
        heads: list[str] = self.driver.execute_script(script)
        return [row[heads.index(name)] for row in self.rows()]

    def read(self, selector: str, attribute: str) -> list[str]:
        """Read an attribute ("innerText": what is shown) of all that is found, in one go, as with rows."""
        script = (
            "return [...document.querySelectorAll(arguments[0])]"
            ".map(found => found.getAttribute(arguments[1]) ?? found[arguments[1]] ?? '')"
        )
        values: list[str] = self.driver.execute_script(script, selector, attribute)
        return values

    def sort(self, key: str) -> None:
        """Click on a heading, once."""
        self.one(f'[data-sort="{key}"]').click()

    def await_refresh(self) -> None:
        """Wait until the page has asked anew, and drawn what it was told."""
        asked = "return performance.getEntriesByType('resource').length"
        before = self.driver.execute_script(asked)
        wait_until(lambda: self.driver.execute_script(asked) >= before + 6, "two refreshes")  # so that one is drawn


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    """Open one browser for the module."""
    with browser.chromium(1400, 900) as driver:
        yield driver


@pytest.fixture(scope="module")
def busy() -> Iterator[LocalSentry]:
    """Run a local Sentry that a platform has sent half an hour of work to, with the real SDK."""
    with LocalSentry() as sentry:
        subprocess.run([sys.executable, TRAFFIC, sentry.dsn, str(RUNS)], check=True, timeout=120)
        yield sentry


@pytest.fixture
def page(driver: webdriver.Chrome) -> Iterator[Page]:
    """Give the page to one test, which fails for anything the page writes to the console."""
    browser.resize(driver, 1400, 900)
    browser.console(driver)
    yield Page(driver)
    driver.get("about:blank")
    assert browser.console(driver) == []


def milliseconds(text: str) -> float:
    """Read a time as the page writes it."""
    number, unit = text.split()
    return float(number) * {"ms": 1, "s": 1000, "min": 60_000}[unit]


def test_an_empty_page_says_what_to_do(page: Page) -> None:
    """Show how to send something here, and nothing else; then the first event without a reload."""
    with LocalSentry() as sentry:
        page.open(sentry.url)
        assert "Nothing has been received yet" in page.text("#empty")
        assert sentry.dsn in page.text("#hint")
        assert sentry.dsn in page.text("#dsn")
        assert not page.one("#content").is_displayed()
        caller = Caller(sentry.port)
        caller.send(envelope(metrics(metric("task.run_time", 42, task="a.b.first_task", outcome="success"))))
        caller.close()
        wait_until(lambda: page.column("Task") == ["b.first_task"], "the first row")
        assert not page.one("#empty").is_displayed()
        page.driver.get("about:blank")


def test_every_run_is_in_the_table(page: Page, busy: LocalSentry) -> None:
    """Show a row for each task, bot, exchange and symbol, with the numbers of /stats.json."""
    page.open(busy.url)
    told = busy.stats(since=3600)["rows"]
    assert len(page.rows()) == min(500, len(told))
    assert page.text("#row-count") == f"{len(told)} rows."
    first = max(told, key=lambda row: row["count"])
    assert int(page.column("Runs")[0]) == first["count"]
    assert sum(int(text) for text in page.column("Runs")) + sum(int(text) for text in page.column("Retries")) == RUNS
    runs = page.read("#figures .figure:first-child > *", "innerText")
    assert runs[:2] == ["Task runs", str(sum(row["count"] for row in told))]
    assert page.read("#figures .figure:last-child > *", "innerText") == ["Lost or rejected", "0", "nothing"]


def test_a_click_on_a_heading_sorts(page: Page, busy: LocalSentry) -> None:
    """Sort numbers downwards first and texts upwards, and the other way at the second click; the address keeps it."""
    page.open(busy.url)
    page.sort("run_time_ms.p95")
    times = [milliseconds(row[9]) for row in page.rows()]
    assert times == sorted(times, reverse=True)
    page.sort("run_time_ms.p95")
    times = [milliseconds(row[9]) for row in page.rows()]
    assert times == sorted(times)
    page.sort("exchange")
    assert page.column("Exchange") == sorted(page.column("Exchange"))
    orders = page.read("#performance thead tr:last-child th[aria-sort]", "aria-sort")
    assert [order for order in orders if order != "none"] == ["ascending"]
    page.open(page.driver.current_url)
    assert page.column("Exchange") == sorted(page.column("Exchange"))


def test_a_click_that_lasts_over_a_refresh_is_a_click(page: Page, busy: LocalSentry) -> None:
    """Sort also if the table was drawn anew while the button was held down."""
    page.open(busy.url)
    heading = page.one('[data-sort="exchange"]')
    mouse = ActionChains(page.driver)
    mouse.click_and_hold(heading).perform()
    page.await_refresh()
    mouse.release().perform()
    assert page.column("Exchange") == sorted(page.column("Exchange"))
    assert page.driver.switch_to.active_element == heading  # and the keyboard stays where it was


def test_rows_are_filtered_by_choice_and_by_text(page: Page, busy: LocalSentry) -> None:
    """Keep only what was chosen, in the table, the figures and the plots; a text narrows the rows further."""
    page.open(busy.url)
    everything = page.text("#figures .figure strong")
    Select(page.one("#where-exchange")).select_by_value("kraken")
    wait_until(lambda: set(page.column("Exchange")) == {"kraken"}, "kraken only")
    wait_until(lambda: page.text("#figures .figure strong") != everything, "the figures of kraken")
    page.one("#search").send_keys("bot-1 eth")
    assert page.rows()
    assert set(page.column("Bot")) == {"bot-1"}
    assert set(page.column("Symbol")) == {"ETH/USDT"}
    page.one("#search").send_keys(" nobody")
    assert page.rows() == []
    assert page.text("#row-count") == "No row matches the filter."
    page.open(page.driver.current_url)
    assert page.one("#search").get_attribute("value") == "bot-1 eth nobody"


def test_rows_are_grouped_anew(page: Page, busy: LocalSentry) -> None:
    """Leave a dimension out and get its runs together; the last one can not be left out."""
    page.open(busy.url)
    for name in ("task", "bot_id", "symbol"):
        page.one(f"#by-{name} + span").click()
    wait_until(lambda: len(page.rows()) == 3, "one row for each exchange")
    assert sorted(page.column("Exchange")) == ["binance", "coinbase", "kraken"]
    page.one("#by-exchange + span").click()
    assert len(page.rows()) == 3


def test_the_plots_show_the_runs(page: Page, busy: LocalSentry) -> None:
    """Draw a bar for each slice with runs, three lines for each time, and a line in each row."""
    page.open(busy.url)
    heights = page.read("#plot-runs rect.bar-good", "height")
    assert len(heights) > 20
    assert all(float(height) > 0 for height in heights)
    assert page.all("#plot-runs rect.bar-bad")
    for plot in ("#plot-run-time", "#plot-queue-wait"):
        for name in ("p50", "p95", "p99"):
            (line,) = page.read(f"{plot} .line-{name}", "d")
            assert line.count("L") > 20
    assert "p95" in page.read("#plot-run-time .hover title", "textContent")[0]
    assert len(page.all("#performance tbody .spark")) == len(page.rows())


def test_a_failure_opens_with_its_whole_story(page: Page, busy: LocalSentry) -> None:
    """Show every attempt, the trail of all of them, the stack and the tags; it stays open while the page refreshes."""
    page.open(busy.url)
    shown = page.text("#failures details:first-child > summary")
    assert "Error: " in shown
    assert "bot_id" in shown
    page.one("#failures details:first-child > summary").click()
    wait_until(lambda: "Trail" in page.text("#failures details .story"), "the story")
    story = page.text("#failures details .story")
    assert [head.text for head in page.all("#failures details[open] h3")][:2] == ["Attempts", "Trail"]
    attempts = page.all("#failures details[open] .story section:first-child tbody tr")
    assert [row.text.split()[0] for row in attempts] == ["1", "2", "3"]
    trail = page.all("#failures details[open] .trail tbody tr")
    assert len(trail) == 9
    assert len(page.all("#failures details[open] .trail tr.turn")) == 2
    assert "balance checked" in story
    assert "_place" in story
    assert "worker.tasks." in story
    link = page.one("#failures details[open] .story a").get_attribute("href") or ""
    assert link.startswith(f"{busy.url}/events.json?id=")
    page.await_refresh()
    assert page.one("#failures details").get_attribute("open") is not None


def test_the_page_is_live_until_it_is_paused(page: Page) -> None:
    """Show what arrives by itself; hold still while paused; go on afterwards."""
    with LocalSentry() as sentry:
        caller = Caller(sentry.port)

        def arrive(task: str) -> None:
            caller.send(envelope(metrics(metric("task.run_time", 5, task=task, outcome="success"))))

        arrive("one")
        page.open(sentry.url)
        wait_until(lambda: page.column("Task") == ["one"], "the first task")
        page.one("#pause").click()
        assert page.text("#state") == "paused"
        arrive("two")
        time.sleep(2.5)  # longer than the page waits between two questions
        assert page.column("Task") == ["one"]
        page.one("#pause").click()
        wait_until(lambda: sorted(page.column("Task")) == ["one", "two"], "the second task")
        caller.close()
        page.driver.get("about:blank")


def test_what_is_sent_is_shown_as_text(page: Page) -> None:
    """Run nothing that a sender wrote, wherever the page shows it."""
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    with LocalSentry() as sentry:
        caller = Caller(sentry.port)
        caller.send(envelope(metrics(metric("task.run_time", 5, task=evil, bot_id=evil, outcome="success"))))
        event = {
            "level": "error",
            "exception": {"values": [{"type": evil, "value": evil}]},
            "tags": {"bot_id": evil, evil: evil},
            "breadcrumbs": {"values": [{"message": evil, "category": evil, "data": {evil: evil}}]},
            "contexts": {"attempts": {"records": [{"attempt": evil, "message": evil}]}, "celery": {evil: evil}},
        }
        caller.send(envelope(item("event", event), item(evil[:60], b"{}")))
        caller.close()
        page.open(sentry.url)
        wait_until(page.rows, "the row")
        page.one("#failures details > summary").click()
        wait_until(lambda: "Trail" in page.text("#failures .story"), "the story")
        assert evil in page.text("#failures .story")
        assert page.driver.title == "Local Sentry"
        assert not page.all("#content img")
        page.driver.get("about:blank")


@pytest.mark.parametrize("width", [420, 768])
def test_a_narrow_page_does_not_scroll_sideways(page: Page, busy: LocalSentry, width: int) -> None:
    """Fit a telephone: only the table and the stories scroll inside of themselves."""
    browser.resize(page.driver, width, 900)
    page.open(busy.url)
    page.one("#failures details > summary").click()
    wait_until(lambda: "Trail" in page.text("#failures details .story"), "the story")
    assert page.driver.execute_script("return document.documentElement.scrollWidth") == width


def test_a_dark_page_is_dark(busy: LocalSentry) -> None:
    """Follow the system's colour scheme."""
    with browser.chromium(800, 600, dark=True) as driver:
        driver.get(busy.url)
        colour = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")) < 60


def test_a_server_that_goes_away_is_said(page: Page) -> None:
    """Keep what was shown and say that it is no longer live; go on by itself when the server is back."""
    with LocalSentry() as sentry:
        port = sentry.port
        send_event(sentry)
        page.open(sentry.url)
        wait_until(lambda: page.text("#state") == "live", "a live page")
    wait_until(lambda: "does not answer" in page.text("#state"), "the page to say so")
    assert page.all("#failures details")
    with LocalSentry(port):
        wait_until(lambda: page.text("#state") == "live", "a live page again")
        page.driver.get("about:blank")
    refused = [line for line in browser.console(page.driver) if "ERR_CONNECTION_REFUSED" not in line]
    assert refused == []  # the browser itself writes down each request that found nobody


def send_event(sentry: LocalSentry) -> None:
    """Send one event by hand."""
    caller = Caller(sentry.port)
    caller.send(envelope(item("event", {"level": "error", "message": "before"})))
    caller.close()
