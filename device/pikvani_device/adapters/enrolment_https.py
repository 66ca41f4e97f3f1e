"""Asks the centre over HTTPS: one request up, one answer down. What the answer is worth, the caller finds out."""

from __future__ import annotations

import ssl
from pathlib import Path

import urllib3

from pikvani_contract.enrolment import MAX_BYTES, Answer, Request, pack, unpack
from pikvani_contract.errors import WireError
from pikvani_device.adapters.tls_dates import ignore_dates
from pikvani_device.errors import DeviceError

_PATH = "/v1/enrol"
_CONNECT_S, _READ_S = 15.0, 60.0


def ask_centre(url: str, ca_file: Path | None, request: Request, dates: bool = True) -> Answer:
    """Bring one request to the centre.

    Args:
        url: of the centre's enrolment listener, without path.
        ca_file: PEM of the authority to accept; None for the system's.
        request: to bring.
        dates: whether dates of certificates count; see `tls_dates`.

    Raises:
        DeviceError: the centre cannot be reached, is not believed, or does not answer as it should.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not dates:
        ignore_dates(context)
    pool = urllib3.PoolManager(ssl_context=context, retries=False)
    try:
        response = pool.request(
            "POST",
            url.rstrip("/") + _PATH,
            body=pack(request),
            headers={"Content-Type": "application/octet-stream"},
            timeout=urllib3.Timeout(connect=_CONNECT_S, read=_READ_S),
            redirect=False,
            preload_content=False,
        )
        body = response.read(MAX_BYTES + 1)
        response.release_conn()
    except (urllib3.exceptions.HTTPError, OSError) as error:
        reason = str(getattr(error, "reason", None) or error)
        raise DeviceError(f"the centre {url} cannot be asked ({reason[:200]}); it is asked again later") from None
    finally:
        pool.clear()
    if response.status not in (200, 403):
        raise DeviceError(f"the centre {url} answers with {response.status}; it is asked again later")
    try:
        return unpack(body, Answer)
    except WireError as error:
        raise DeviceError(f"what {url} answers is no answer ({error}); check enrolment.url") from None
