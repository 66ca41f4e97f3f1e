"""How a better model reaches the fleet: the blocks devices ask for, and roll-outs that stop by themselves.

Reasons: docs/adr/0004-updates.md
"""
