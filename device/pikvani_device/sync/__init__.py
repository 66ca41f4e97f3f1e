"""Drains the outbox to the centre over MQTT, applies receipts, keeps the data budget."""
