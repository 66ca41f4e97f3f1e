"""How a better model reaches this device: trust in what a repository says, and the bytes it names.

`trust` is the one door: nothing from outside is believed that did not come through it.
Reasons: docs/adr/0004-updates.md
"""
