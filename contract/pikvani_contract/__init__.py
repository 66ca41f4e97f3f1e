"""What two sides of Pikvani promise each other: messages, topics, clock, sequence sets, model packages.

No hardware, no network, no database. Device, server, models and provisioning import this package and never
each other.
"""
