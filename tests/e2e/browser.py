"""Debian's chromium without a window, driven by selenium; nothing is downloaded and nothing is kept."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

PROGRAMS: Final = ("chromium", "chromedriver")


def missing() -> str:
    """Name the programs that are not installed ("": none)."""
    return ", ".join(name for name in PROGRAMS if shutil.which(name) is None)


@contextmanager
def chromium(width: int, height: int, *, dark: bool = False) -> Iterator[webdriver.Chrome]:
    """Open a browser whose page is exactly `width` x `height` CSS pixels; it and its profile go at the end."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which(PROGRAMS[0]) or ""
    for argument in (
        "--headless=new",
        "--no-sandbox",  # as root, chromium has none
        "--disable-dev-shm-usage",
        "--disable-gpu",
        "--hide-scrollbars",
        "--disable-lcd-text",  # grey edges compress better, and look the same on every screen
        "--force-device-scale-factor=1",
        "--no-first-run",
        "--disable-background-networking",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(shutil.which(PROGRAMS[1])))
    try:
        resize(driver, width, height)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
    finally:
        driver.quit()


def resize(driver: webdriver.Chrome, width: int, height: int) -> None:
    """Give the page this size, narrower than any window may be."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def console(driver: webdriver.Chrome) -> list[str]:
    """Return what the page has written to the browser's console since the last call, errors of loading included."""
    entries: list[dict[str, Any]] = driver.get_log("browser")  # type: ignore[no-untyped-call]  # selenium types it not
    return [f"{entry['level']}: {entry['message']}" for entry in entries]
