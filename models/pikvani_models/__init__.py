"""From photographs to a signed-ready model package: data registry, training, INT8 export, evaluation, packaging.

Nothing here runs on the device. What the device reads is promised in `pikvani_contract.model`.
"""
