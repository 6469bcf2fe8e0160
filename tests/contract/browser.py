"""A headless Chromium, driven by the Chrome DevTools Protocol over its WebSocket."""

import base64
import contextlib
import json
import os
import subprocess
import zlib
from pathlib import Path
from struct import unpack

from web_clients import WebSocket, ask

from private_engines import wait_until

_QUIET = (
    "--headless=new", "--remote-debugging-port=0", "--no-first-run", "--disable-gpu", "--disable-quic", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-extensions", "--hide-scrollbars",
    "--window-size=1200,900", "--force-device-scale-factor=1",
)  # fmt: skip
CONTROL, SHIFT = 2, 8
_KEYS = {"Enter": ("Enter", 13), "s": ("KeyS", 83)}
_BYTES_OF_PIXEL = {2: 3, 6: 4}
"""By the colour type of PNG: with and without transparency."""


@contextlib.contextmanager
def browser(folder: Path):
    """A browser with its profile in `folder`, and one page."""
    # Its own sandbox refuses root.
    sandbox = ("--no-sandbox",) if os.geteuid() == 0 else ()
    with open(folder / "browser.log", "wb") as log:
        words = ["chromium", *_QUIET, *sandbox, f"--user-data-dir={folder}/profile", "about:blank"]
        process = subprocess.Popen(words, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
    told = folder / "profile/DevToolsActivePort"

    def listens() -> bool:
        assert process.poll() is None, (folder / "browser.log").read_text()
        return told.exists() and told.read_text().count("\n") == 1

    try:
        wait_until(listens, 60)
        address = f"http://127.0.0.1:{told.read_text().splitlines()[0]}"
        [target] = [one for one in ask(address, "/json")[1] if one["type"] == "page"]
        path = target["webSocketDebuggerUrl"].split("/", 3)[3]
        with WebSocket(address, f"/{path}") as link:
            yield Page(link)
    finally:
        process.terminate()
        process.wait(20)


class Page:
    """One page of the browser."""

    def __init__(self, link: WebSocket):
        self._link = link
        self._calls = 0

    def call(self, method: str, **params):
        """The result of one command of the protocol; events before it are passed over."""
        self._calls += 1
        self._link.send(json.dumps({"id": self._calls, "method": method, "params": params}).encode())
        while True:
            answer = json.loads(self._link.receive())
            if answer.get("id") == self._calls:
                assert "error" not in answer, (method, answer)
                return answer["result"]

    def open(self, url: str) -> None:
        assert "errorText" not in self.call("Page.navigate", url=url)

    def read(self, expression: str):
        """The value of a JavaScript expression."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, (expression, found)
        return found["result"].get("value")

    def becomes(self, expression: str, seconds: float) -> bool:
        """Whether the expression is true within some time."""
        with contextlib.suppress(AssertionError):
            wait_until(lambda: self.read(expression), seconds)
            return True
        return False

    def await_true(self, expression: str, seconds: float = 120) -> None:
        """Wait until the expression is true; says what the page shows where it never is."""
        if not self.becomes(expression, seconds):
            shown = self.read("document.title + '\\n' + document.body.innerText")
            raise AssertionError(f"never true: {expression}\n{shown}")

    def click(self, selector: str) -> None:
        """Press the mouse on the middle of the first element that `selector` finds, as soon as there is one."""
        self.await_true(f"document.querySelector({selector!r}) !== null")
        x, y = self.read(
            f"(e => {{ e.scrollIntoView(); const r = e.getBoundingClientRect(); "
            f"return [r.x + r.width / 2, r.y + r.height / 2] }})(document.querySelector({selector!r}))"
        )
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, selector: str, text: str) -> None:
        """Click into the element and put text there; again, where the page moved the cursor meanwhile."""
        read = f"document.querySelector({selector!r}).innerText.trim() !== ''"

        def typed() -> bool:
            self.click(selector)
            self.call("Input.insertText", text=text)
            return self.read(read)

        wait_until(typed, 60)

    def press(self, key: str, modifiers: int = 0) -> None:
        """Press a key that a keyboard has, and release it."""
        code, number = _KEYS[key]
        for kind in ("rawKeyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                modifiers=modifiers,
                key=key,
                code=code,
                windowsVirtualKeyCode=number,
            )

    def picture(self, selector: str) -> bytes:
        """A screenshot, as PNG, of where the first element is that `selector` finds."""
        x, y, width, height = self.read(
            "(e => { e.scrollIntoView({block: 'center'}); const r = e.getBoundingClientRect(); "
            f"return [r.x, r.y, r.width, r.height] }})(document.querySelector({selector!r}))"
        )
        clip = {"x": x, "y": y, "width": width, "height": height, "scale": 1}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", clip=clip)["data"])


def count_colours(png: bytes) -> dict[bytes, int]:
    """How many pixels of a PNG (ISO/IEC 15948) with eight bits a channel have each colour, red, green and blue."""
    chunks, at = {}, 8
    while at < len(png):
        length, kind = unpack(">I4s", png[at : at + 8])
        chunks[kind] = chunks.get(kind, b"") + png[at + 8 : at + 8 + length]
        at += 12 + length
    width, height, depth, colour = unpack(">IIBB", chunks[b"IHDR"][:10])
    assert depth == 8
    step = _BYTES_OF_PIXEL[colour]
    data, before, found = zlib.decompress(chunks[b"IDAT"]), bytes(width * step), {}
    for number in range(height):
        start = number * (width * step + 1)
        before = _unfilter(data[start], data[start + 1 : start + 1 + width * step], before, step)
        for pixel in range(0, width * step, step):
            key = before[pixel : pixel + 3]
            found[key] = found.get(key, 0) + 1
    return found


def _unfilter(kind: int, line: bytes, above: bytes, step: int) -> bytes:
    made = bytearray(line)
    for at, value in enumerate(line):
        left, over = made[at - step] if at >= step else 0, above[at]
        corner = above[at - step] if at >= step else 0
        guess = (0, left, over, (left + over) // 2, _paeth(left, over, corner))[kind]
        made[at] = (value + guess) & 0xFF
    return bytes(made)


def _paeth(left: int, over: int, corner: int) -> int:
    near = left + over - corner
    return min((left, over, corner), key=lambda one: abs(near - one))
