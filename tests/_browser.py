"""A real browser, without a window, for the sandbox's page: Chromium, driven by selenium."""

from __future__ import annotations

import base64
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar, cast

from selenium.common.exceptions import StaleElementReferenceException, WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from selenium.webdriver.remote.webelement import WebElement

T = TypeVar("T")
PATIENCE = 10.0  # seconds; a slow machine is no failure
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--no-proxy-server",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--disable-extensions", "--hide-scrollbars", "--lang=en-GB", "--window-size=1200,800",
)  # fmt: skip
# Runs before the page does, and keeps what must not happen.
WATCH = """
window.problems = [];
addEventListener("securitypolicyviolation", (e) => problems.push(`CSP: ${e.violatedDirective} ${e.blockedURI}`));
addEventListener("error", (e) => { if (e.message) problems.push(e.message); });
addEventListener("unhandledrejection", (e) => problems.push(String(e.reason)));
"""


def why_none() -> str | None:
    """Tell why there is no browser, or None where there is one."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return (
        f"{' and '.join(missing)} not found (Debian: chromium, chromium-driver)"
        if missing
        else None
    )


@contextmanager
def open_browser(folder: Path) -> Iterator[Browser]:
    """Start Chromium with a profile in the folder."""
    options = ChromeOptions()
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.accept_insecure_certs = True  # a test's own TLS proxy has a certificate of its own
    options.binary_location = cast("str", shutil.which("chromium"))
    for flag in (*FLAGS, f"--user-data-dir={folder}"):
        options.add_argument(flag)
    # Named, as selenium would look for one on the network.
    driver = Chrome(options, Service(cast("str", shutil.which("chromedriver"))))
    try:
        yield Browser(driver)
    finally:
        driver.quit()


class Browser:
    """What a person does and sees."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self.cdp("Page.addScriptToEvaluateOnNewDocument", source=WATCH)

    def cdp(self, command: str, **arguments: object) -> dict[str, Any]:
        return cast("dict[str, Any]", self.driver.execute_cdp_cmd(command, dict(arguments)))

    def run(self, script: str, *arguments: object) -> Any:
        return self.driver.execute_script(script, *arguments)

    def open(
        self,
        url: str,
        width: int = 1200,
        height: int = 800,
        scale: float = 1,
        scheme: str = "light",
    ) -> None:
        """Load a page afresh, in a window of this size."""
        self.driver.get("about:blank")
        self.resize(width, height, scale)
        self.prefer(scheme)
        self.driver.get(url)

    def resize(self, width: int, height: int, scale: float = 1) -> None:
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=scale,
            mobile=False,
        )

    def prefer(self, scheme: str) -> None:
        """Like light or dark, and no movements."""
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]
        self.cdp("Emulation.setEmulatedMedia", features=features)

    def all(self, selector: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        return self.wait_for(lambda: self.all(selector), selector)[0]

    def text(self, selector: str) -> str:
        """Give the text of all that matches, also of what is not in view."""
        return str(
            self.run(
                "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent).join('\\n')",
                selector,
            )
        )

    def focused(self) -> WebElement:
        return self.driver.switch_to.active_element

    def wait_for(self, look: Callable[[], T], what: str) -> T:
        """Look until there is something."""
        end = time.monotonic() + PATIENCE
        problem: WebDriverException | None = None
        while time.monotonic() < end:
            try:
                if found := look():
                    return found
            except StaleElementReferenceException as error:
                problem = error
            time.sleep(0.02)
        raise AssertionError(f"It did not come: {what}") from problem

    def wait_for_text(self, text: str, selector: str = "body") -> None:
        try:
            self.wait_for(lambda: text in self.text(selector), text)
        except AssertionError:
            raise AssertionError(
                f"{text!r} did not come to {selector}, which says: {self.text(selector)}"
            ) from None

    def problems(self) -> list[str]:
        return cast("list[str]", self.run("return window.problems"))

    def console(self) -> list[str]:
        """Give what the browser has complained about since the last call."""
        entries = cast("list[dict[str, Any]]", cast("Any", self.driver).get_log("browser"))
        return [str(entry["message"]) for entry in entries]

    def picture(self) -> bytes:
        return base64.b64decode(self.cdp("Page.captureScreenshot", format="png")["data"])
