"""Identities, enrolment and card images for devices."""
