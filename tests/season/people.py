"""The people of a season, by what their browsers send: forms, links and cookies."""

from __future__ import annotations

import html
import http.cookiejar
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterable
from pathlib import Path

_PASSWORD = "kapus-pandhare-sone-1"


class Browser:
    """Somebody's browser: follows links, keeps cookies, sends forms.

    Args:
        base: address of the pages.
    """

    def __init__(self, base: str) -> None:
        self.base, self.url = base, base
        self.cookies = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self.cookies))

    def get(self, path: str) -> str:
        """A page."""
        return self._open(urllib.request.Request(urllib.parse.urljoin(self.base, path)))

    def status(self, path: str) -> int:
        """What a page is answered with: 200, 404."""
        try:
            request = urllib.request.Request(urllib.parse.urljoin(self.base, path))
            with self._opener.open(request, timeout=60) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    def post(self, path: str, fields: Iterable[tuple[str, str]]) -> str:
        """What a form leads to."""
        data = urllib.parse.urlencode(list(fields)).encode()
        return self._open(urllib.request.Request(self.base + path, data))

    def send(self, path: str, field: str, file: Path, **fields: str) -> str:
        """What a form with a file in it leads to."""
        line = uuid.uuid4().hex
        parts = [
            f'--{line}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'.encode() for k, v in fields.items()
        ]
        head = f'--{line}\r\nContent-Disposition: form-data; name="{field}"; filename="{file.name}"\r\n\r\n'
        body = b"".join([*parts, head.encode(), file.read_bytes(), f"\r\n--{line}--\r\n".encode()])
        request = urllib.request.Request(self.base + path, body)
        request.add_header("Content-Type", f"multipart/form-data; boundary={line}")
        return self._open(request)

    def _open(self, request: urllib.request.Request) -> str:
        request.add_header("Origin", self.base)
        with self._opener.open(request, timeout=60) as answer:
            self.url = answer.url
            return str(answer.read().decode())


class Farmer(Browser):
    """Somebody at the kiosk's pages.

    Args:
        base: address of the pages.
        locale: their language.
    """

    def __init__(self, base: str, locale: str) -> None:
        super().__init__(base)
        self.locale, self.asked_again = locale, 0

    def asks(self, crop: str, symptom: str, photographs: int = 1) -> str:
        """From the start to the answer by touch; the answer's page."""
        self.get(f"/language/{self.locale}")
        self.post("/crop", [("crop", crop)])
        for _ in range(photographs):
            self.post("/camera/shoot", [])
        self.post("/symptoms", [("symptom", symptom)])
        return self.get("/answer")

    def speaks(self, at: str, clip: Path, slower: Path) -> str:
        """A voice note on a page, and a yes to what was read back; the page it leads to.

        Who is asked again says it once more, slower; a third time the device would hand over to touch.
        """
        for said in (clip, slower):
            confirm = self.send("/voice", "note", said, at=at)
            if self.url.endswith("/confirm"):
                break
            self.asked_again += 1
        else:
            raise RuntimeError(f"{clip.name} was not understood on {at}, nor said again: {self.url}")
        self.understood = re.findall(r"<h1[^>]*>(.*?)</h1>", confirm, re.DOTALL)
        return self.post("/confirm", [("answer", "yes")])

    def allows(self, *purposes: str) -> str:
        """After an answer: allows some purposes; the code with which it can be taken back."""
        self.get("/consent")
        self.post("/consent", [("who", "self")])
        page = self.post("/consent/purposes", [("purpose", name) for name in purposes])
        found = re.search(r'data-code="(\d+)"', page)
        if not found:
            raise RuntimeError("the kiosk showed no code for what was allowed")
        return found[1]

    def erases(self, code: str) -> str:
        """With the code, some other day: everything of that case."""
        self.get(f"/language/{self.locale}")
        self.get("/data")
        for digit in code:
            self.post("/data", [("digit", digit)])
        if not self.url.endswith("/data/found"):
            raise RuntimeError(f"the code led to {self.url}")
        return self.post("/data/found", [("what", "whole")])


class Agronomist(Browser):
    """Somebody who names photographs at the centre.

    Args:
        base: address of the centre's pages, which stays the same.
        invitation: what `pikvani-server users add` printed.
    """

    def __init__(self, base: str, invitation: str) -> None:
        super().__init__(base)
        link = re.search(r"/welcome/\S+", invitation)
        assert link, invitation
        self._form(link[0], {"password": _PASSWORD, "again": _PASSWORD})

    def signs_in(self, name: str) -> bool:
        """On another day; whether that was asked, and worked."""
        self.get("/account")
        asked = "/sign-in" in self.url
        self._form("/sign-in", {"name": name, "password": _PASSWORD})
        self.get("/account")
        return asked and self.url.endswith("/account")

    def waiting(self, page: str = "/review") -> dict[str, str]:
        """The case that is handed out: its form's fields; empty where nothing waits."""
        return self.fields(self.get(page))

    def names(self, condition: str, page: str = "/review") -> str:
        """Label the case that waits; which one it was, empty where none does."""
        fields = self.waiting(page)
        if "outbox" not in fields:
            return ""
        self.post("/review/label", [*fields.items(), ("condition", condition)])
        return f"{fields['outbox']}-{fields['seq']}"

    def _form(self, path: str, more: dict[str, str]) -> str:
        return self.post(path, [*self.fields(self.get(path)).items(), *more.items()])

    @staticmethod
    def fields(page: str) -> dict[str, str]:
        """What a form on a page carries unseen."""
        hidden = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page)
        return {name: html.unescape(value) for name, value in hidden}


def spoken(folder: Path, language: str, words: str) -> tuple[Path, Path]:
    """Clips in which espeak-ng says words as people speak, and slower; 22 kHz WAV."""
    folder.mkdir(exist_ok=True)
    made = []
    for speed in ("130", "110"):
        path = folder / f"{language}-{abs(hash(words))}-{speed}.wav"
        subprocess.run(["espeak-ng", "-v", language, "-s", speed, "-w", path, words], check=True, capture_output=True)
        made.append(path)
    return made[0], made[1]
