"""Feeds the drift sketches of this device. Pure: the composition root reads the clock and writes the outbox."""
