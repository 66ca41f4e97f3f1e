"""The sketch: exact when merged, small on the wire, and hostile bytes are refused."""

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pikvani_contract.errors import WireError
from pikvani_contract.messages import SketchBody
from pikvani_contract.sketch import (
    FEATURES,
    MAX_ENCODED_BYTES,
    OTHER,
    PROJECTIONS,
    Bins,
    Sketch,
    decode_sketch,
    encode_sketch,
    merge,
    project,
)


def sketches(seed: int, cases: int, classes: int = 46) -> Sketch:
    rng = np.random.default_rng(seed)
    named = rng.multinomial(cases, rng.dirichlet(np.ones(classes)))
    return Sketch(
        cases=cases,
        decisions={"answer": cases - cases // 3, "refuse": cases // 3},
        refusals={"unsure": cases // 3},
        classes={f"crop_{i % 12}/some_long_condition_{i}": int(n) for i, n in enumerate(named) if n},
        histograms={
            name: tuple(int(c) for c in rng.multinomial(cases, rng.dirichlet(np.ones(bins.count))))
            for name, bins in FEATURES.items()
        },
    )


made = st.builds(sketches, st.integers(0, 50), st.integers(0, 500))


@given(st.lists(made, max_size=4), st.randoms())
def test_merging_is_commutative_associative_and_has_a_neutral_element(parts: list[Sketch], random: object) -> None:
    whole = merge(parts)
    shuffled = list(parts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert merge(shuffled) == whole
    assert merge([merge(parts[:2]), merge(parts[2:]), Sketch()]) == whole
    assert whole.cases == sum(part.cases for part in parts)


@given(made)
def test_what_is_encoded_is_read_again(sketch: Sketch) -> None:
    data = encode_sketch(sketch)
    read = decode_sketch(data)
    assert merge([read]) == merge([sketch])
    assert encode_sketch(read) == data


def test_a_busy_device_day_with_every_class_fits_two_kilobytes_unfolded() -> None:
    data = encode_sketch(sketches(1, 2_000))
    assert len(data) <= MAX_ENCODED_BYTES
    assert OTHER not in decode_sketch(data).classes


def test_too_many_classes_are_folded_and_none_is_lost() -> None:
    # given a thousand classes with names that do not compress
    rng = np.random.default_rng(2)
    names = ["/".join(bytes(rng.integers(97, 123, size=30, dtype=np.uint8)).decode() for _ in "ab") for _ in range(900)]
    sketch = Sketch(cases=900, classes=dict.fromkeys(names, 1))
    # when it is encoded
    read = decode_sketch(encode_sketch(sketch))
    # then it fits and the counts still add up
    assert read.classes[OTHER] > 0
    assert sum(read.classes.values()) == 900


def test_it_fits_the_message_that_carries_it() -> None:
    body = SketchBody("leaf@1.0.0", "2026-07-01", 3, encode_sketch(sketches(1, 300)))
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(body), type=SketchBody) == body


@pytest.mark.parametrize(
    "sketch",
    [
        Sketch(cases=1, classes={"a/b": 2}),
        Sketch(cases=5, histograms={"confidence": (1, 2)}),
        Sketch(cases=-1),
        Sketch(cases=2**62),
        Sketch(cases=5, classes={"x" * 65: 1}),
    ],
    ids=["counts", "bins", "negative", "huge", "name"],
)
def test_a_sketch_that_cannot_be_is_refused(sketch: Sketch) -> None:
    with pytest.raises(WireError):
        decode_sketch(zlib.compress(msgspec.msgpack.encode(sketch)))


def test_a_bomb_is_refused_without_being_inflated() -> None:
    with pytest.raises(WireError):
        decode_sketch(zlib.compress(b"\0" * 1_500_000, 9))


def test_an_unknown_feature_is_passed_over() -> None:
    sketch = Sketch(cases=2, histograms={"of_the_future": (1, 1)})
    assert decode_sketch(zlib.compress(msgspec.msgpack.encode(sketch))).histograms == {}


@given(st.binary(max_size=300))
def test_any_bytes_are_a_sketch_or_a_wire_error(data: bytes) -> None:
    for candidate in (data, zlib.compress(data)):
        try:
            decode_sketch(candidate)
        except WireError:
            continue


@given(st.lists(st.floats(-1e300, 1e300), max_size=50), st.integers(1, 64))
def test_every_number_has_one_bin(values: list[float], count: int) -> None:
    histogram = Bins(-4.0, 4.0, count).histogram(np.array([*values, np.nan]))
    assert (len(histogram), sum(histogram)) == (count, len(values))


def test_projections_of_the_reference_have_unit_variance_and_are_uncorrelated() -> None:
    rng = np.random.default_rng(3)
    mean, std = rng.normal(size=64), rng.uniform(0.5, 2, size=64)
    directions = project(rng.normal(size=(20_000, 64)) * std + mean, mean, std)
    np.testing.assert_allclose(np.cov(directions.T), np.eye(PROJECTIONS), atol=0.05)
