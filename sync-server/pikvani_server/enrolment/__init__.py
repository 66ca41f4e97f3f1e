"""Who may be a device: claims are taken once, certificates signed and renewed, stolen devices cut off.

Reasons: docs/adr/0006-identity-and-enrolment.md
"""
