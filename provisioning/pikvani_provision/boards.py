"""The boards a card can be made for: processor, wheels, runtime, and how first boot is begun."""

from __future__ import annotations

from dataclasses import dataclass

PYTHON = (3, 11)


@dataclass(frozen=True)
class Board:
    """A board.

    Attributes:
        name: as on the command line.
        machine: `aarch64` or `x86_64`.
        glibc: newest manylinux wheels it can run, as `(2, minor)`.
        runtime: of the model, as in the device's configuration.
        camera: the usual one, as in the device's configuration.
        boots_from: `cmdline` (Raspberry Pi's FAT partition) or `unit` (a root file system that is at hand).
        system_packages: whether Python packages of the operating system are wanted (picamera2, TensorRT).
    """

    name: str
    machine: str
    glibc: tuple[int, int]
    runtime: str
    camera: str
    boots_from: str
    system_packages: bool

    @property
    def platforms(self) -> list[str]:
        """Platform tags of wheels that run on it, best first."""
        newest = [f"manylinux_{self.glibc[0]}_{minor}_{self.machine}" for minor in range(self.glibc[1], 16, -1)]
        return [*newest, f"manylinux2014_{self.machine}", f"linux_{self.machine}"]

    @property
    def markers(self) -> dict[str, str]:
        """Environment in which the markers of the locked requirements are judged."""
        version = ".".join(map(str, PYTHON))
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{version}.2",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": f"{version}.2",
            "python_version": version,
            "sys_platform": "linux",
            "extra": "",
        }


BOARDS = {
    board.name: board
    for board in (
        # Raspberry Pi OS 12 (64 bit): glibc 2.36, CPython 3.11, picamera2 from the system.
        Board("rpi", "aarch64", (2, 36), "tflite", "picamera2", "cmdline", True),
        # JetPack 6 is Ubuntu 22.04: glibc 2.35; its python3.11 package must be in the root.
        Board("jetson", "aarch64", (2, 35), "onnx", "v4l2", "unit", True),
        Board("debian", "x86_64", (2, 36), "onnx", "drawn", "unit", False),
        Board("debian-arm64", "aarch64", (2, 36), "tflite", "drawn", "unit", False),
    )
}
