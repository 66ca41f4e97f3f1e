"""What every camera keeps: RGB photographs or a CameraError, never a hang, and closing twice."""

import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from pikvani_device.adapters.camera_drawn import DrawnCamera
from pikvani_device.adapters.camera_folder import FolderCamera
from pikvani_device.adapters.camera_picamera2 import Picamera2Camera
from pikvani_device.adapters.camera_v4l2 import V4l2Camera
from pikvani_device.app.building import build_camera
from pikvani_device.config import parse_config
from pikvani_device.diagnosis.photo import read_photo
from pikvani_device.drawn_leaves import draw_leaf, write_drawn_leaves
from pikvani_device.errors import CameraError
from pikvani_device.ports import Camera


class DriverStandIn:
    """What OpenCV gives for a USB camera, with the troubles real ones have."""

    def __init__(self, trouble: str = "") -> None:
        self.trouble = trouble

    def isOpened(self) -> bool:  # noqa: N802
        return self.trouble != "absent"

    def read(self) -> tuple[bool, np.ndarray | None]:
        if self.trouble == "hangs":
            time.sleep(30)
        if self.trouble == "raises":
            raise cv2.error("driver")
        return (False, None) if self.trouble == "unplugged" else (True, draw_leaf(1)[..., ::-1].copy())

    def release(self) -> None:
        pass


def folder(tmp_path: Path) -> Camera:
    write_drawn_leaves(tmp_path / "photos", 3)
    return FolderCamera(tmp_path / "photos", lambda data, name: read_photo(data, name).pixels)


def v4l2(trouble: str = "", timeout_s: float = 5.0) -> V4l2Camera:
    return V4l2Camera(0, timeout_s=timeout_s, open_source=lambda *_: DriverStandIn(trouble))


CAMERAS: dict[str, Callable[[Path], Camera]] = {
    "drawn": lambda _: DrawnCamera(seed=1),
    "folder": folder,
    "v4l2": lambda _: v4l2(),
}


@pytest.fixture(params=CAMERAS)
def camera(request: pytest.FixtureRequest, tmp_path: Path):
    camera = CAMERAS[request.param](tmp_path)
    yield camera
    camera.close()


def test_given_a_camera_then_every_capture_is_an_rgb_photograph(camera: Camera) -> None:
    for _ in range(3):
        photo = camera.capture()
        assert photo.dtype == np.uint8
        assert photo.ndim == 3
        assert photo.shape[2] == 3


def test_given_previews_then_they_use_nothing_up(camera: Camera) -> None:
    seen = [camera.preview() for _ in range(5)]
    assert all(frame.shape[2] == 3 and frame.dtype == np.uint8 for frame in seen)
    assert np.abs(camera.capture().astype(int) - seen[-1]).mean() < 1
    camera.close()
    with pytest.raises(CameraError):
        camera.preview()


def test_given_the_first_drawn_leaf_then_its_colours_come_in_the_order_red_green_blue(camera: Camera) -> None:
    assert np.abs(camera.capture().astype(int) - draw_leaf(1)).mean() < 12


def test_given_a_closed_camera_then_capture_is_an_error_and_closing_again_is_not(camera: Camera) -> None:
    camera.close()
    camera.close()
    with pytest.raises(CameraError):
        camera.capture()


@pytest.mark.parametrize("trouble", ["unplugged", "raises", "hangs"])
def test_given_a_usb_camera_in_trouble_then_it_is_an_error_in_time(trouble: str) -> None:
    camera = v4l2(trouble, timeout_s=0.5)
    started_s = time.monotonic()
    with pytest.raises(CameraError, match="/dev/video0"):
        camera.capture()
    assert time.monotonic() - started_s < 3
    with pytest.raises(CameraError):
        camera.capture()


def test_given_no_usb_camera_then_building_it_is_an_error() -> None:
    with pytest.raises(CameraError, match=r"camera\.index"):
        v4l2("absent")
    with pytest.raises(CameraError):
        V4l2Camera(63, timeout_s=10)


def test_given_no_picamera2_then_the_error_says_how_to_get_it() -> None:
    with pytest.raises(CameraError, match="picamera2"):
        Picamera2Camera()


def test_given_a_folder_then_photos_come_in_name_order_until_none_is_left(tmp_path: Path) -> None:
    camera = folder(tmp_path)
    for _ in range(3):
        camera.capture()
    with pytest.raises(CameraError, match="no further"):
        camera.capture()


def test_given_a_folder_with_a_text_named_jpg_then_capture_names_it(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("text")
    with pytest.raises(CameraError, match=r"a\.jpg"):
        FolderCamera(tmp_path, lambda data, name: read_photo(data, name).pixels).capture()


@pytest.mark.parametrize("make", [lambda p: p / "absent", lambda p: p])
def test_given_no_folder_or_an_empty_one_then_building_it_is_an_error(tmp_path: Path, make) -> None:
    with pytest.raises(CameraError):
        FolderCamera(make(tmp_path), lambda data, name: read_photo(data, name).pixels)


def test_given_the_configuration_then_the_named_camera_is_built_and_none_is_an_error(tmp_path: Path) -> None:
    write_drawn_leaves(tmp_path, 1)
    for text in ('adapter = "drawn"', f'adapter = "folder"\npath = "{tmp_path}"'):
        assert build_camera(parse_config(f"[camera]\n{text}\n".encode(), "test")).capture().size
    with pytest.raises(CameraError, match=r"camera\.adapter"):
        build_camera(parse_config(b"", "test"))
