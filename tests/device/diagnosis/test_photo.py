"""Photographs as hostile input: what is read, what is refused, and that nothing else ever happens."""

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_device.diagnosis.photo import MAX_BYTES, Photo, encode_for_keeping, photo_of_frame, read_photo
from pikvani_device.drawn_leaves import draw_leaf, drawn_jpeg
from pikvani_device.errors import PhotoError


def encoded(suffix: str, image: np.ndarray | None = None, *options: int) -> bytes:
    bgr = cv2.cvtColor(draw_leaf(3) if image is None else image, cv2.COLOR_RGB2BGR)
    return cv2.imencode(suffix, bgr, list(options))[1].tobytes()


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    tiff = b"II*\x00\x08\x00\x00\x00" + struct.pack("<HHHIHHI", 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]


SAMPLES = {suffix: encoded(suffix) for suffix in (".jpg", ".png", ".webp")}
SAMPLES["progressive"] = encoded(".jpg", None, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)


@pytest.mark.parametrize("name", SAMPLES)
def test_given_a_picture_of_an_allowed_format_then_it_is_read_in_rgb(name: str) -> None:
    photo = read_photo(SAMPLES[name], name)
    assert (photo.width_px, photo.height_px) == (640, 480)
    assert np.abs(photo.pixels.astype(int) - draw_leaf(3)).mean() < 12


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_given_a_truncated_picture_then_it_is_refused(name: str, share: float) -> None:
    data = SAMPLES[name]
    with pytest.raises(PhotoError) as refused:
        read_photo(data[: int(len(data) * share)], "leaf.jpg")
    assert str(refused.value).startswith("leaf.jpg: ")


@pytest.mark.parametrize("data", [b"", b"this is a text file\n" * 50, b"\xff\xd8", b"\xff\xd8\xff\xd9", b"%PDF-1.7"])
def test_given_something_that_is_no_picture_then_it_is_refused(data: bytes) -> None:
    with pytest.raises(PhotoError) as refused:
        read_photo(data, "leaf.jpg")
    assert refused.value.reason == "unreadable"


def test_given_a_huge_png_then_it_is_refused_without_decoding_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(PhotoError, match="megapixels") as refused:
        read_photo(png_header(20_000, 20_000), "huge.png")
    assert refused.value.reason == "too_large"


def test_given_a_jpeg_that_says_a_huge_size_then_it_is_refused() -> None:
    data = SAMPLES[".jpg"]
    at = data.index(b"\xff\xc0") + 5
    with pytest.raises(PhotoError, match="megapixels"):
        read_photo(data[:at] + struct.pack(">HH", 65_000, 65_000) + data[at + 4 :], "huge.jpg")


def test_given_a_file_over_the_limit_then_it_is_refused() -> None:
    with pytest.raises(PhotoError, match="MB"):
        read_photo(SAMPLES[".jpg"] + bytes(MAX_BYTES), "big.jpg")


@pytest.mark.parametrize(("width", "height"), [(1000, 40), (20, 900), (4, 4)])
def test_given_an_absurd_shape_then_it_is_refused(width: int, height: int) -> None:
    with pytest.raises(PhotoError, match="shape"):
        read_photo(encoded(".png", np.zeros((height, width, 3), np.uint8)), "strip.png")


def test_given_data_after_the_end_as_some_phones_write_then_it_is_read() -> None:
    assert read_photo(SAMPLES[".jpg"] + b"trailer of a phone", "leaf.jpg").width_px == 640


def test_given_an_exif_orientation_then_the_photo_stands_upright() -> None:
    upright = read_photo(SAMPLES[".jpg"], "a").pixels
    turned = read_photo(with_orientation(SAMPLES[".jpg"], 6), "b").pixels
    assert np.array_equal(turned, np.rot90(upright, -1))


def test_given_a_photo_of_twelve_megapixels_then_it_is_decoded_small() -> None:
    photo = read_photo(encoded(".jpg", cv2.resize(draw_leaf(3), (4000, 3000))), "big.jpg")
    assert photo.pixels.shape == (750, 1000, 3)
    assert (photo.width_px, photo.height_px) == (4000, 3000)


def test_given_the_same_photo_as_png_then_it_is_decoded_as_small_as_a_jpeg() -> None:
    photo = read_photo(encoded(".png", cv2.resize(draw_leaf(3), (2048, 1536))), "big.png")
    assert photo.pixels.shape == (768, 1024, 3)


def test_given_a_kept_photo_then_nothing_of_the_senders_metadata_is_in_it() -> None:
    kept = encode_for_keeping(read_photo(with_orientation(drawn_jpeg(1), 1), "a"))
    assert b"Exif" not in kept
    assert read_photo(kept, "kept").width_px == 640


def test_given_a_frame_that_is_not_rgb_then_it_is_refused() -> None:
    with pytest.raises(PhotoError):
        photo_of_frame(np.zeros((480, 640), np.uint8), "camera")
    assert isinstance(photo_of_frame(draw_leaf(1), "camera"), Photo)


def read_or_refuse(data: bytes) -> None:
    try:
        photo = read_photo(data, "fuzz")
    except PhotoError:
        return
    assert photo.pixels.dtype == np.uint8
    assert photo.pixels.shape[2] == 3


@given(st.binary(max_size=400), st.sampled_from([b"", b"\xff\xd8", b"\x89PNG\r\n\x1a\n", b"RIFF\x40\0\0\0WEBPVP8 "]))
def test_given_any_bytes_then_they_are_a_photo_or_a_photo_error(data: bytes, start: bytes) -> None:
    read_or_refuse(start + data)


@given(
    st.sampled_from(sorted(SAMPLES)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=12),
)
def test_given_a_damaged_picture_then_it_is_a_photo_or_a_photo_error(
    name: str, damage: list[tuple[float, int]]
) -> None:
    data = bytearray(SAMPLES[name])
    for place, value in damage:
        data[int(place * len(data))] = value
    read_or_refuse(bytes(data))


@pytest.mark.needs_photos
def test_given_real_photographs_then_all_are_read(leaf_photos: Path) -> None:
    paths = sorted(leaf_photos.glob("*/*/*.jpg"))[::40]
    assert len(paths) > 200
    for path in paths:
        assert read_photo(path.read_bytes(), path.name).pixels.size
