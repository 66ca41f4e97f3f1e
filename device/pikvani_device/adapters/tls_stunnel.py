"""Mutual TLS with a key that cannot leave its chip: stunnel speaks it, through OpenSSL's PKCS#11 engine.

Python's own TLS takes keys from files only. The broker is reached through a socket in a folder that only the appliance
may enter, so that nobody else on this machine can speak in its name.
"""

from __future__ import annotations

import ipaddress
import logging
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

from pikvani_device.errors import DeviceError

log = logging.getLogger(__name__)

_CONFIGURATION = """\
foreground = yes
syslog = no
debug = warning
pid =
engine = pkcs11
engineCtrl = MODULE_PATH:{module}
engineCtrl = PIN:{pin}
[broker]
client = yes
accept = {socket}
connect = {address}
engineId = pkcs11
cert = {cert}
key = {key}
CAfile = {ca}
verifyChain = yes
{check} = {host}
sslVersionMin = TLSv1.2
TIMEOUTclose = 0
"""


class StunnelRelay:
    """One stunnel, from `start` to `stop`.

    Args:
        host: of the broker.
        port: of the broker.
        ca: PEM of the authorities it is believed by.
        cert: this device's certificate.
        key_uri: of its key, RFC 7512.
        module: PKCS#11 library.
        pin_file: of its PIN.

    Raises:
        DeviceError: stunnel is not installed, or a file is missing.
    """

    def __init__(self, host: str, port: int, ca: Path, cert: Path, key_uri: str, module: str, pin_file: str) -> None:
        program = shutil.which("stunnel", path=f"{os.environ.get('PATH', os.defpath)}:/usr/bin:/usr/sbin")
        if program is None:
            raise DeviceError("a key in a chip needs stunnel: apt install stunnel4 libengine-pkcs11-openssl")
        self._folder = Path(tempfile.mkdtemp(prefix="pikvani-tls-"))
        self.socket = self._folder / "broker"
        is_address = bool(_address(host))
        try:
            text = _CONFIGURATION.format(
                module=module,
                pin=Path(pin_file).read_text().strip(),
                socket=self.socket,
                address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
                cert=cert.resolve(strict=True),
                key=key_uri.strip(),
                ca=ca.resolve(strict=True),
                check="checkIP" if is_address else "checkHost",
                host=host,
            )
        except OSError as error:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise DeviceError(f"{error.filename} cannot be read ({error.strerror}); enrol this device first") from None
        self._configuration = self._folder / "stunnel.conf"
        with os.fdopen(os.open(self._configuration, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(text)
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Begin, or begin anew; the socket appears a moment later, and whoever connects tries again until then."""
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen([self._program, str(self._configuration)], stdin=subprocess.DEVNULL)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it, and forget its files. May be called twice."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.terminate()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(5)
        shutil.rmtree(self._folder, ignore_errors=True)


def _address(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""
