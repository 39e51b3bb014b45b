"""A headless Chromium, spoken to over its debugging pipe: no driver, no packages."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
    "--window-size=1280,2400",
)


def executable():
    """Return the path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Browser:
    """One browser with one page. `complaints` is what its console said, and uncaught errors."""

    def __init__(self, profile):
        self.complaints = []
        self._number = 0
        self._rest = b""
        down, self._out = os.pipe()
        self._in, up = os.pipe()
        # The browser reads commands from descriptor 3 and writes answers to 4.
        script = f'exec "$@" 3<&{down} 4>&{up}'
        command = ["bash", "-c", script, "bash", executable(), *FLAGS, f"--user-data-dir={profile}"]
        self._process = subprocess.Popen(
            [*command, "about:blank"],
            pass_fds=(down, up),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(down)
        os.close(up)
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    _session = None

    def open(self, path):
        """Load a page and wait until its scripts have said that they are through."""
        self.complaints.clear()
        url = Path(path).as_uri()
        self.call("Page.navigate", url=url)
        there = f"location.href === {json.dumps(url)}"
        self.wait(f"{there} && document.documentElement?.dataset.ready !== undefined")
        self.settle()

    def settle(self):
        """Let the page draw twice: what a click asked for is then to be seen."""
        twice = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self.call("Runtime.evaluate", expression=twice, awaitPromise=True)

    def wait(self, expression, seconds=30):
        end = time.monotonic() + seconds
        while not self.value(expression):
            assert time.monotonic() < end, f"waited {seconds} s for {expression}"
            time.sleep(0.02)

    def value(self, expression):
        """Return what an expression is in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def texts(self, selector):
        quoted = json.dumps(selector)
        return self.value(f"[...document.querySelectorAll({quoted})].map(n => n.textContent)")

    def screenshot(self, path):
        import base64

        taken = self.call("Page.captureScreenshot", format="png")
        Path(path).write_bytes(base64.b64decode(taken["data"]))

    def call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._note(answer)

    def close(self):
        """End the browser that was started here."""
        try:
            self._session = None
            self.call("Browser.close")
        except (OSError, AssertionError):
            self._process.terminate()
        self._process.wait(20)
        os.close(self._in)
        os.close(self._out)

    def _read(self):
        while b"\0" not in self._rest:
            received = os.read(self._in, 1 << 20)
            assert received, "the browser has gone"
            self._rest += received
        answer, _, self._rest = self._rest.partition(b"\0")
        return json.loads(answer)

    def _note(self, event):
        method, told = event.get("method"), event.get("params", {})
        if method in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(told)
