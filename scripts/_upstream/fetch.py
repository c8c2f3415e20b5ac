"""One page from the web: politely, within limits, without credentials."""

from __future__ import annotations

import contextlib
import hashlib
import http.cookiejar
import ipaddress
import json
import os
import re
import time
from pathlib import Path
from typing import Any, Final

import httpx

LARGEST: Final = 5_000_000
"""The most bytes that a page may have."""
LONGEST: Final = 15.0
"""Seconds that one request may wait; the caller sets the limit for all of them together."""
PAUSE: Final = 0.1
"""Seconds between two requests."""
REDIRECTS: Final = 3
VERSION_FILE: Final = Path(__file__).parents[2] / "ecall_facade" / "_version.py"


class Unreadable(Exception):
    """A page or a folder could not be read; says why."""


def user_agent() -> str:
    """Return the name of the project and its version, so that the owner of the site knows who asks."""
    found = re.search(r'__version__ = "(.+?)"', VERSION_FILE.read_text(encoding="utf-8"))
    return f"ecall-facade-check-upstream/{found[1] if found else '0'} (reads llms.txt and the pages in it)"


class Web:
    """Reads pages of one origin, one after the other, asking only for what has changed since the last time."""

    def __init__(
        self,
        index: str,
        cache: Path,
        timeout: float,
        *,
        pause: float = PAUSE,
        largest: int = LARGEST,
    ) -> None:
        self._pause, self._largest = pause, largest
        self._origin = _origin(_acceptable(index))
        self._cache = cache
        self._end = time.monotonic() + timeout
        # The settings of the machine are read for its proxies; a loopback address goes through none.
        self._client = httpx.Client(
            headers={
                "User-Agent": user_agent(),
                "Accept": "text/markdown, text/plain;q=0.9, */*;q=0.1",
            },
            auth=httpx.Auth(),  # none, wherever one could be found
            trust_env=not _is_loopback(httpx.URL(index).host),
        )
        self._client.cookies.jar.set_policy(http.cookiejar.DefaultCookiePolicy(allowed_domains=[]))
        self._stopped = ""
        self._asked = False

    def close(self) -> None:
        self._client.close()

    def same_origin(self, url: str) -> bool:
        """Return whether a link may be followed."""
        try:
            return _origin(_acceptable(url)) == self._origin
        except Unreadable:
            return False

    def read(self, url: str) -> str:
        """Return the text of a page."""
        if self._stopped:
            raise Unreadable(f"not asked for: {self._stopped}")
        if self._asked:
            time.sleep(max(0.0, min(self._pause, self._end - time.monotonic())))
        self._asked = True
        file = self._cache / f"{hashlib.sha256(url.encode()).hexdigest()}.json"
        kept = _read_cache(file, url)
        try:
            return self._ask(url, file, kept)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreadable(f"{type(error).__name__}: {error}".rstrip(": ")) from error

    def _ask(self, url: str, file: Path, kept: dict[str, str]) -> str:
        headers = {name: value for name, value in kept.items() if name.startswith("If-")}
        address = url
        for _ in range(REDIRECTS + 1):
            if not self.same_origin(address):
                raise Unreadable("it leads to another site, which is not followed")
            timeout = min(LONGEST, max(0.001, self._left()))
            with self._client.stream("GET", address, headers=headers, timeout=timeout) as answer:
                if answer.has_redirect_location:
                    address = str(answer.url.join(answer.headers["Location"]))
                    continue
                if answer.status_code == 304 and "text" in kept:
                    return kept["text"]
                if answer.status_code == 429:
                    self._stopped = "the site asks for fewer requests (HTTP 429)"
                if answer.status_code != 200:
                    raise Unreadable(f"HTTP {answer.status_code}")
                text = self._body(answer)
                _write_cache(file, url, text, answer.headers)
                return text
        raise Unreadable("it redirects too often")

    def _body(self, answer: httpx.Response) -> str:
        parts: list[bytes] = []
        size = 0
        for part in answer.iter_bytes():
            size += len(part)
            if size > self._largest:
                raise Unreadable(f"it is larger than {self._largest} bytes")
            self._left()
            parts.append(part)
        return b"".join(parts).decode("utf-8", errors="replace")

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            self._stopped = "the time limit was reached"
            raise Unreadable(self._stopped)
        return left


def default_cache() -> Path:
    """Return where caches go on this system."""
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    return (Path(base) if base else Path.home() / ".cache") / "ecall-facade" / "upstream"


def _acceptable(address: str) -> httpx.URL:
    try:
        url = httpx.URL(address)
    except (httpx.InvalidURL, ValueError) as error:
        raise Unreadable(f"no address: {error}") from error
    if url.userinfo:
        raise Unreadable("an address with a user name or password in it is refused")
    if url.scheme != "https" and not (url.scheme == "http" and _is_loopback(url.host)):
        raise Unreadable("only https is read")
    if not url.host:
        raise Unreadable("no address: it names no host")
    return url


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, url.port or {"https": 443, "http": 80}[url.scheme]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _read_cache(file: Path, url: str) -> dict[str, str]:
    try:
        kept: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    good = (
        isinstance(kept, dict)
        and kept.get("url") == url
        and all(isinstance(item, str) for item in kept.values())
    )
    return kept if good and "text" in kept else {}


def _write_cache(file: Path, url: str, text: str, headers: httpx.Headers) -> None:
    validators = {
        "If-None-Match": headers.get("ETag"),
        "If-Modified-Since": headers.get("Last-Modified"),
    }
    kept = {name: value for name, value in validators.items() if value}
    with contextlib.suppress(OSError):  # a cache that cannot be written costs a download, no more
        file.unlink(missing_ok=True)
        if kept:
            file.parent.mkdir(parents=True, exist_ok=True)
            new = file.with_name(f"{file.name}.{os.getpid()}")
            new.write_text(json.dumps({"url": url, "text": text, **kept}), encoding="utf-8")
            new.replace(file)
