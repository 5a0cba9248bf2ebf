"""A page in headless Chromium, with everything that it said and asked for."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

AXE = Path(__file__).parent / "vendor" / "axe-core" / "axe.min.js"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WIDE, PHONE = (1280, 900), (390, 844)
PATIENCE = 120  # seconds: a long page on a busy machine
TYPESET = "return !window.MathJax || !!(MathJax.startup && MathJax.startup.promise)"


class Page:
    """What a test asks of the page that is open."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver

    def open(self, path: Path, size: tuple[int, int] = WIDE, theme: str = "light", query: str = "") -> None:
        """Open a file as a reader would, by file://, and wait until its formulas are set."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": size == PHONE},
        )
        self.script("localStorage.setItem('mode', arguments[0]); localStorage.setItem('theme', arguments[0])", theme)
        self.driver.get(path.as_uri() + query)
        self.wait("return document.readyState == 'complete'")
        self.wait(TYPESET)
        self.driver.execute_async_script(
            "const done = arguments[0]; const typeset = window.MathJax ? MathJax.startup.promise : Promise.resolve();"
            "typeset.then(() => setTimeout(done, 50))"
        )

    def script(self, text: str, *given: Any) -> Any:
        return self.driver.execute_script(text, *given)

    def wait(self, condition: str, seconds: float = PATIENCE) -> None:
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, poll_frequency=0.05).until(lambda driver: driver.execute_script(condition))

    def complaints(self) -> list[str]:
        """Warnings and errors on the console since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def elsewhere(self) -> list[str]:
        """Addresses asked for since the last call that are not files."""
        messages = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        asked = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
        return [url for url in asked if not url.startswith(("file:", "data:", "blob:", "chrome"))]

    def violations(self) -> list[str]:
        """What axe-core finds that is serious or critical, with the first element concerned."""
        self.script(AXE.read_text(encoding="utf-8"))
        found = self.driver.execute_async_script(
            "const done = arguments[0]; const wish = {resultTypes: ['violations'], preload: false};"
            "axe.run(document, wish).then(found => done(found.violations))"
        )
        return [f"{v['id']}: {v['nodes'][0]['html']}" for v in found if v["impact"] in ("serious", "critical")]


@contextmanager
def chromium() -> Iterator[Page]:
    """A browser that keeps its logs."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.set_script_timeout(PATIENCE)
    driver.set_page_load_timeout(PATIENCE)
    try:
        yield Page(driver)
    finally:
        driver.quit()
