"""Requests and answers on a technician's laptop: a queue in a folder, sent when there is a link.

The folder holds `<device>.<digest>.pkvq` for each request, and `.pkva` of the same name once it was answered. Every
step can be done again: a request is answered once, and its answer is delivered as often as its stick comes.
"""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from pikvani_contract import enrolment
from pikvani_contract.enrolment import ANSWER_SUFFIX, MAX_BYTES, REQUEST_SUFFIX, Answer, Request
from pikvani_contract.errors import ContractError
from pikvani_contract.topics import check_device_id
from pikvani_provision.authority import write_public
from pikvani_provision.errors import ProvisionError

_PATH = "/v1/enrol"
_TIMEOUT_S = 60.0
_MAX_FILE_BYTES = 64 * 1024
_FOLDER = "pikvani-enrol"


class AwayError(ProvisionError):
    """The centre cannot be reached now; what is queued is sent another time."""


@dataclass
class Carried:
    """What one run did.

    Attributes:
        taken: devices whose request was put into the queue.
        answered: device to the reason it was refused for, empty where it was certified.
        delivered: answer files written for the devices.
        unreadable: file to what is wrong with it.
        waiting: requests that still wait for the centre.
    """

    taken: list[str] = field(default_factory=list)
    answered: dict[str, str] = field(default_factory=dict)
    delivered: list[Path] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    waiting: int = 0


class Queue:
    """The folder.

    Args:
        folder: made when it is missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, request: Request) -> bool:
        """Keep a request; returns whether it was new."""
        path = self._path(request, REQUEST_SUFFIX)
        if path.exists():
            return False
        write_public(path, enrolment.as_text(request).encode() + b"\n")
        return True

    def answer(self, request: Request) -> Answer | None:
        """What the centre said to a request, None for nothing yet."""
        path = self._path(request, ANSWER_SUFFIX)
        return enrolment.from_text(_read(path), Answer) if path.exists() else None

    def keep(self, request: Request, answer: Answer) -> None:
        """Keep an answer."""
        write_public(self._path(request, ANSWER_SUFFIX), enrolment.as_text(answer).encode() + b"\n")

    def waiting(self) -> list[Request]:
        """Requests without an answer."""
        found = [read_request(path) for path in sorted(self._folder.glob(f"*{REQUEST_SUFFIX}"))]
        return [request for request in found if self.answer(request) is None]

    def _path(self, request: Request, suffix: str) -> Path:
        return self._folder / f"{request.device}.{enrolment.digest(request).hex()[:16]}{suffix}"


def read_request(path: Path) -> Request:
    """The request in a file.

    Raises:
        ContractError: it is something else.
    """
    request = enrolment.from_text(_read(path), Request)
    check_device_id(request.device)
    return request


def request_files(folder: Path) -> list[Path]:
    """The requests on a stick: in the folder itself, or in its `pikvani-enrol`."""
    return sorted(p for place in (folder, folder / _FOLDER) for p in place.glob(f"*{REQUEST_SUFFIX}"))


def carry(queue: Queue, stick: Path | None, url: str, ca: Path | None) -> Carried:
    """Take the requests on a stick, ask the centre if it is there, leave the answers on the stick.

    Args:
        queue: of this laptop.
        stick: None to only send what is queued.
        url: of the centre's enrolment listener; empty to stay offline.
        ca: PEM of the authority that signed its certificate; None for the system's.

    Raises:
        ProvisionError: the queue or the stick cannot be written.
    """
    done = Carried()
    here: list[tuple[Path, Request]] = []
    for path in request_files(stick) if stick else []:
        try:
            here.append((path, read_request(path)))
        except (ContractError, OSError) as error:
            done.unreadable[path.name] = str(error)
    for _, request in here:
        if queue.put(request):
            done.taken.append(request.device)
    if url:
        for request in queue.waiting():
            try:
                answer = ask_centre(url, ca, request)
            except AwayError as error:
                done.unreadable[url] = str(error)
                break
            queue.keep(request, answer)
            done.answered[request.device] = answer.reason
    for path, request in here:
        found = queue.answer(request)
        if found is not None:
            target = path.with_name(f"{request.device}{ANSWER_SUFFIX}")
            done.delivered.append(write_public(target, enrolment.as_text(found).encode() + b"\n"))
    done.waiting = len(queue.waiting())
    return done


def ask_centre(url: str, ca: Path | None, request: Request) -> Answer:
    """Bring one request to the centre.

    Raises:
        AwayError: it cannot be reached, or cannot answer now.
        ProvisionError: it is not the centre, or is not believed.
    """
    if not url.startswith("https://"):
        raise ProvisionError(f"--centre {url[:100]!r} must begin with https://")
    context = ssl.create_default_context(cafile=str(ca) if ca else None)
    wanted = urllib.request.Request(  # noqa: S310 - https only, see above
        url.rstrip("/") + _PATH,
        data=enrolment.pack(request),
        headers={"Content-Type": "application/octet-stream"},
        method="POST",
    )
    try:
        with urllib.request.urlopen(wanted, timeout=_TIMEOUT_S, context=context) as response:  # noqa: S310
            body = response.read(MAX_BYTES + 1)
    except urllib.error.HTTPError as error:
        body = error.read(MAX_BYTES + 1)
        if error.code != 403:
            raise AwayError(f"{url} answers with {error.code}; the requests stay queued") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise ProvisionError(f"{url} is not the centre we trust: {error.reason.verify_message}; see --ca") from None
        raise AwayError(f"{url} cannot be reached ({error.reason}); the requests stay queued") from None
    except OSError as error:
        raise AwayError(f"{url} cannot be reached ({error}); the requests stay queued") from None
    try:
        answer = enrolment.unpack(body, Answer)
    except ContractError as error:
        raise ProvisionError(f"what {url} answers is no answer ({error}); is --centre right?") from None
    if answer.request != enrolment.digest(request):
        raise ProvisionError(f"{url} answered another request; is a cache in between?")
    return answer


def _read(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MAX_FILE_BYTES).decode("ascii", "replace")
