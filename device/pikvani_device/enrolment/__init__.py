"""How this device becomes known to the centre: a key of its own, a request, a certificate, and the next one in time.

Reasons: docs/adr/0006-identity-and-enrolment.md
"""
