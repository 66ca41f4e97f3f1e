"""What every runtime keeps, over the shipped model package: named float outputs, golden cases, clear errors."""

import importlib.util
import sys
import types
from pathlib import Path

import msgspec
import numpy as np
import pytest

from pikvani_contract.model import Package, load_package
from pikvani_contract.model.golden import check_golden
from pikvani_device.app.building import build_runtime, shipped_package
from pikvani_device.config import Config, RuntimeSection
from pikvani_device.errors import ModelError, RuntimeAdapterError
from pikvani_device.ports import Runtime

RUNTIMES = {
    "fake": RuntimeSection(adapter="fake"),
    "onnx": RuntimeSection(adapter="onnx"),
    "litert": RuntimeSection(adapter="tflite", interpreter="litert"),
    "tflite-runtime": RuntimeSection(adapter="tflite", interpreter="tflite-runtime"),
}
NEEDS = {"onnx": "onnxruntime", "litert": "ai_edge_litert", "tflite-runtime": "tflite_runtime"}


def missing(name: str) -> str:
    """Why a runtime cannot run here; empty where it can."""
    library = NEEDS.get(name)
    if library and importlib.util.find_spec(library) is None:
        return f"{library} is not installed here"
    numpy_2 = int(np.__version__.split(".")[0]) >= 2
    return "tflite-runtime needs numpy < 2" if name == "tflite-runtime" and numpy_2 else ""


def present(*names: str) -> list[str]:
    return [name for name in names if not missing(name)]


@pytest.fixture(scope="module")
def package() -> Package:
    try:
        return load_package(shipped_package())
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest, package: Package):
    if why := missing(request.param):
        pytest.skip(why)
    runtime = build_runtime(Config(runtime=RUNTIMES[request.param]), package)
    yield runtime
    runtime.close()


def view(package: Package, seed: int = 1) -> np.ndarray:
    size = package.manifest.input.size
    return np.random.default_rng(seed).normal(0, 0.5, (1, size, size, 3)).astype(np.float32)


def test_given_a_view_then_the_three_outputs_have_the_manifests_shapes(runtime: Runtime, package: Package) -> None:
    outputs = runtime.invoke(view(package))
    shapes = package.manifest.outputs
    assert outputs["logits"].shape == (1, shapes.classes)
    assert outputs["maps"].shape == (1, shapes.side, shapes.side, shapes.classes)
    assert outputs["embedding"].shape == (1, shapes.embedding)
    for values in outputs.values():
        assert values.dtype == np.float32
        assert np.isfinite(values).all()


def test_given_the_same_view_then_the_same_answer_and_another_view_another(runtime: Runtime, package: Package) -> None:
    first = {name: values.copy() for name, values in runtime.invoke(view(package)).items()}
    other = {name: values.copy() for name, values in runtime.invoke(view(package, seed=2)).items()}
    again = runtime.invoke(view(package))
    assert np.array_equal(first["logits"], again["logits"])
    assert not np.array_equal(first["logits"], other["logits"])


def test_given_an_answer_then_the_next_invoke_does_not_change_it(runtime: Runtime, package: Package) -> None:
    first = runtime.invoke(view(package))["logits"]
    before = first.copy()
    runtime.invoke(view(package, seed=2))
    assert np.array_equal(first, before)


def test_given_a_view_of_a_wrong_shape_then_it_is_a_runtime_error(runtime: Runtime) -> None:
    with pytest.raises(RuntimeAdapterError):
        runtime.invoke(np.zeros((3, 5), np.float32))


def test_given_the_golden_cases_of_the_package_then_they_pass(runtime: Runtime, package: Package) -> None:
    if runtime.name == "fake":
        pytest.skip("the fake runtime runs no network")
    results = check_golden(package, runtime.invoke)
    assert results
    assert all(result.passed for result in results), results


def test_given_a_closed_runtime_then_invoke_is_an_error_and_closing_again_is_not(
    runtime: Runtime, package: Package
) -> None:
    runtime.close()
    runtime.close()
    with pytest.raises(RuntimeAdapterError):
        runtime.invoke(view(package))


def test_given_a_runtime_then_its_name_says_adapter_and_accelerator(runtime: Runtime) -> None:
    assert runtime.name in ("fake", "onnx/CPU", "tflite/litert", "tflite/tflite-runtime")


def test_given_a_provider_that_is_not_there_then_the_error_names_those_that_are(package: Package) -> None:
    config = Config(runtime=RuntimeSection(adapter="onnx", providers=("TensorrtExecutionProvider",)))
    with pytest.raises(RuntimeAdapterError, match=r"Tensorrt.*CPUExecutionProvider"):
        build_runtime(config, package)


def test_given_a_binding_that_names_no_tensor_then_the_error_names_it(package: Package) -> None:
    bindings = tuple(msgspec.structs.replace(b, embedding="absent") for b in package.manifest.bindings)
    wrong = Package(package.folder, msgspec.structs.replace(package.manifest, bindings=bindings))
    for name in present("onnx", "litert", "tflite-runtime"):
        with pytest.raises(RuntimeAdapterError, match="absent"):
            build_runtime(Config(runtime=RUNTIMES[name]), wrong)


def test_given_a_damaged_model_file_then_loading_it_is_an_error(package: Package, tmp_path: Path) -> None:
    """Not tflite-runtime: it crashes on a torn file. `load_package` keeps it from one by checking hashes first."""
    for name in ("model.onnx", "model.tflite"):
        (tmp_path / name).write_bytes((package.folder / name).read_bytes()[:1000])
    torn = Package(tmp_path, package.manifest)
    for name in present("onnx", "litert"):
        with pytest.raises(RuntimeAdapterError, match="does not load"):
            build_runtime(Config(runtime=RUNTIMES[name]), torn)


def test_given_tflite_runtime_under_numpy_2_then_the_error_says_what_to_do(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It imports, and fails with SystemError when an interpreter is built; seen with tflite-runtime 2.14."""

    def interpreter(**_: object) -> None:
        raise SystemError("<built-in function> returned a result with an exception set")

    module = types.ModuleType("tflite_runtime.interpreter")
    module.Interpreter = interpreter
    monkeypatch.setitem(sys.modules, "tflite_runtime", types.ModuleType("tflite_runtime"))
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", module)
    with pytest.raises(RuntimeAdapterError, match=r"numpy<2.*litert"):
        build_runtime(Config(runtime=RUNTIMES["tflite-runtime"]), package)


def test_given_a_library_that_is_missing_then_the_error_says_how_to_get_it(
    package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tflite_runtime", None)
    monkeypatch.setitem(sys.modules, "tflite_runtime.interpreter", None)
    with pytest.raises(RuntimeAdapterError, match="pip install tflite-runtime"):
        build_runtime(Config(runtime=RUNTIMES["tflite-runtime"]), package)
