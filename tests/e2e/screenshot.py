"""Take the README's picture of the local Sentry's page: `python -m tests.e2e.screenshot`, from the checkout.

It runs the demo's stack on free ports, trades for two minutes, and writes docs/images/task_performance.png.
"""

import os
import tempfile
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.e2e.browser import chromium
from tests.harness.server import free_port
from worker.local.bots import requests
from worker.local.demo import plan_for
from worker.local.json_client import JsonClient
from worker.local.procfile import Procfile
from worker.local.screen import Screen
from worker.local.services import EVERYDAY_FAULTS
from worker.local.stack import Stack

PICTURE: Final = Path("docs/images/task_performance.png")
TASKS: Final = 1200
PER_SECOND: Final = 10
WIDTH, HEIGHT = 1400, 900


def main() -> None:
    """Trade, look, stop."""
    ports = {name: str(free_port()) for name in ("PORT", "REDIS_PORT", "LOCAL_SENTRY_PORT")}
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_for(Procfile.read(Path("Procfile.dev")), {**os.environ, **ports}, {}, Path(folder), seed=7)
        plan = replace(plan, environment={**plan.environment, "PAPER_FAULTS": EVERYDAY_FAULTS})
        with (Path(folder) / "output.log").open("w") as log, Stack(plan, Screen(log)) as stack:
            stack.start()
            api = JsonClient(f"http://127.0.0.1:{ports['PORT']}")
            for request in islice(requests(7, "picture"), TASKS):
                api.post(request.path, request.body)
                stack.pause(1 / PER_SECOND)
            take(f"http://127.0.0.1:{ports['LOCAL_SENTRY_PORT']}/", PICTURE)


def take(url: str, picture: Path) -> None:
    """Write a picture of the page as it is first seen."""
    picture.parent.mkdir(parents=True, exist_ok=True)
    with chromium(WIDTH, HEIGHT) as browser:
        browser.get(url)
        WebDriverWait(browser, 20).until(lambda page: page.find_elements(By.CSS_SELECTOR, "#performance tbody tr"))
        picture.write_bytes(browser.get_screenshot_as_png())


if __name__ == "__main__":
    main()
