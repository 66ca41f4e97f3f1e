"""Erasure at the centre, to its end: the ledger beside the database, exports, free space, and orders to devices.

What a tombstone does to rows happens where it is committed, in `store.erasing`; here is what takes longer.
"""
