"""Builds the model, its runtime and the camera that the configuration names, or says what stands in the way."""

from __future__ import annotations

from pathlib import Path

from pikvani_contract.model.manifest import Package, PackageError, load_package
from pikvani_device import __version__
from pikvani_device.config import Config
from pikvani_device.diagnosis.photo import read_photo
from pikvani_device.errors import CameraError, ModelError
from pikvani_device.ports import Camera, RgbImage, Runtime


def shipped_package() -> Path:
    """Folder of the model package that came with the software: in the wheel, else in the checkout.

    Raises:
        ModelError: it is in neither.
    """
    here = Path(__file__).resolve().parents[1]
    places = (here / "packages" / "leaf", here.parents[1] / "models" / "packages" / "leaf")
    for place in places:
        if (place / "manifest.json").is_file():
            return place
    raise ModelError(
        "no model package came with this installation: name one with --model or model.dir, or install again"
    )


def load_model(directory: str) -> Package:
    """Read and verify the package in `directory`, or the shipped one for an empty string.

    Raises:
        ModelError: it is missing, changed, or does not fit its manifest or this software.
    """
    folder = Path(directory) if directory else shipped_package()
    try:
        package = load_package(folder)
    except (PackageError, OSError) as error:
        raise ModelError(f"model package: {error}") from None
    needed = package.manifest.requires.app
    if _numbers(needed) > _numbers(__version__):
        raise ModelError(
            f"model package {folder} needs software {needed} and this is {__version__}: update the software first"
        )
    return package


def build_runtime(config: Config, package: Package) -> Runtime:
    """Build the configured runtime with the package's model loaded.

    Raises:
        ModelError: the package has no model for it.
        RuntimeAdapterError: it does not work on this machine.
    """
    settings = config.runtime
    if settings.adapter == "fake":
        from pikvani_device.adapters.runtime_fake import FakeRuntime

        shapes = package.manifest.outputs
        return FakeRuntime(
            {
                "logits": (1, shapes.classes),
                "maps": (1, shapes.side, shapes.side, shapes.classes),
                "embedding": (1, shapes.embedding),
            }
        )
    try:
        binding = package.manifest.binding(settings.adapter)
    except PackageError as error:
        raise ModelError(f"model package {package.folder}: {error}") from None
    path = package.folder / binding.file
    if settings.adapter == "onnx":
        from pikvani_device.adapters.runtime_onnx import OnnxRuntime

        return OnnxRuntime(path, binding, settings.threads, settings.providers)
    from pikvani_device.adapters.runtime_tflite import TfliteRuntime

    return TfliteRuntime(path, binding, settings.threads, settings.interpreter)


def build_camera(config: Config) -> Camera:
    """Build the configured camera.

    Raises:
        CameraError: none is configured, or it does not work.
    """
    settings = config.camera
    if settings.adapter == "folder":
        from pikvani_device.adapters.camera_folder import FolderCamera

        return FolderCamera(Path(settings.path), _decode)
    if settings.adapter == "v4l2":
        from pikvani_device.adapters.camera_v4l2 import V4l2Camera

        return V4l2Camera(settings.index, settings.width_px, settings.height_px, settings.timeout_s)
    if settings.adapter == "picamera2":
        from pikvani_device.adapters.camera_picamera2 import Picamera2Camera

        return Picamera2Camera(settings.index, settings.width_px, settings.height_px, settings.timeout_s)
    if settings.adapter == "drawn":
        from pikvani_device.adapters.camera_drawn import DrawnCamera

        return DrawnCamera(settings.seed)
    raise CameraError("no camera is configured: set camera.adapter to folder, v4l2, picamera2 or drawn")


def _decode(data: bytes, name: str) -> RgbImage:
    return read_photo(data, name).pixels


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
