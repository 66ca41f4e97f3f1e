"""How a model package is read: the promise between the models that write it and the devices that run it.

`manifest` says what is in a package and checks it, `preprocess` turns a photograph into model inputs, `posterior` turns
model outputs into a decision, `inference` puts the three in order around a runtime. No network, no hardware, no
writing; `cv2` is imported by `preprocess` alone.

One photograph, as a device does it::

    package = load_package(Path("models/packages/leaf"))
    evidence = [look(package.manifest, rgb, runtime.invoke, crop="cotton") for rgb in photographs]
    diagnosis = decide(package.manifest, evidence, crop="cotton")
"""

from pikvani_contract.model.manifest import Manifest, Package, PackageError, load_package
from pikvani_contract.model.posterior import Diagnosis, Evidence, decide

__all__ = ["Diagnosis", "Evidence", "Manifest", "Package", "PackageError", "decide", "load_package"]
