"""From photographs to a signed-ready model package: registry, splits, training, INT8 export, evaluation.

Runs on a workstation. Nothing here is imported by the appliance or the centre.
"""
