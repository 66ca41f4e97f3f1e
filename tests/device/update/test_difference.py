"""Differences: made by the centre, applied by the device; either the signed file comes out or nothing does."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import tarfile

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tuf.api.metadata import TargetFile

from pikvani_contract.repository import DIFFERENCE_MAGIC as MAGIC
from pikvani_device.update.difference import rebuild
from pikvani_device.update.errors import UntrustedError
from pikvani_server.repository.differences import make_difference


def signed(data: bytes) -> TargetFile:
    return TargetFile.from_data("new", data, ["sha256"])


@settings(max_examples=150, deadline=None)
@given(old=st.binary(max_size=400), tail=st.binary(max_size=60), cut=st.integers(0, 400), spot=st.integers(0, 399))
def test_what_is_made_rebuilds_exactly_and_is_never_larger_than_the_whole(
    old: bytes, tail: bytes, cut: int, spot: int
) -> None:
    new = bytes(byte ^ (position == spot) for position, byte in enumerate(old[:cut])) + tail
    made = make_difference(old, new)
    if made is not None:
        assert rebuild(old, made, signed(new)) == new
        assert len(made) < len(zstandard.ZstdCompressor(level=19).compress(new))


# Bytes that do not compress, as weights do not: else the whole file would be smaller than any difference.
OLD = random.Random(1).randbytes(3200)
NEW = OLD[:3000] + b"changed" + OLD[3007:] + b"and a tail"


@settings(max_examples=150, deadline=None)
@given(position=st.integers(min_value=0), change=st.integers(1, 255))
def test_a_tampered_difference_gives_nothing(position: int, change: int) -> None:
    made = bytearray(make_difference(OLD, NEW) or b"")
    made[position % len(made)] ^= change
    with contextlib.suppress(UntrustedError):
        assert rebuild(OLD, bytes(made), signed(NEW)) == NEW  # a bit the form does not use


@pytest.mark.parametrize("length", [0, 1, 20, len(MAGIC), len(MAGIC) + 31, len(MAGIC) + 40])
def test_a_short_difference_gives_nothing(length: int) -> None:
    with pytest.raises(UntrustedError):
        rebuild(OLD, (make_difference(OLD, NEW) or b"")[:length], signed(NEW))


def test_a_difference_for_another_version_gives_nothing() -> None:
    with pytest.raises(UntrustedError, match="another old file"):
        rebuild(OLD + b"x", make_difference(OLD, NEW) or b"", signed(NEW))


def test_a_difference_to_another_file_than_signed_gives_nothing() -> None:
    with pytest.raises(UntrustedError, match="not what was signed"):
        rebuild(OLD, make_difference(OLD, NEW) or b"", signed(NEW[:-1] + b"!"))


def tar_of(**files: bytes) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return packed.getvalue()


def test_a_text_that_grew_does_not_make_what_lies_behind_it_come_again() -> None:
    rng = random.Random(2)
    model, pictures = bytearray(rng.randbytes(200_000)), rng.randbytes(100_000)
    numbers = [str(rng.random())[:7] for _ in range(3_000)]
    old = tar_of(model=bytes(model), cases=",".join(numbers).encode(), pictures=pictures, manifest=b"1.0.0")
    model[150_000:151_000] = rng.randbytes(1_000)
    numbers[10:10] = [str(rng.random()) for _ in range(100)]
    new = tar_of(model=bytes(model), cases=",".join(numbers).encode(), pictures=pictures, manifest=b"1.10.0")
    made = make_difference(old, new) or b""
    assert rebuild(old, made, signed(new)) == new
    assert len(made) < 1_000 + 100 * 20 + 1_000


def test_a_difference_that_names_more_than_both_files_share_gives_nothing() -> None:
    made = bytearray(make_difference(OLD, NEW) or b"")
    place = len(MAGIC) + 32
    made[place : place + 8] = (2**40).to_bytes(8, "big")
    with pytest.raises(UntrustedError, match="share"):
        rebuild(OLD, bytes(made), signed(NEW))


def test_a_few_bytes_that_claim_to_be_gigabytes_are_not_unpacked() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(50_000_000))
    with pytest.raises(UntrustedError, match="another length"):
        rebuild(OLD, MAGIC + hashlib.sha256(OLD).digest() + bytes(8) + bomb, signed(NEW))
