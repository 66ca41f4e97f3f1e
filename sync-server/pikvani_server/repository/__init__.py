"""The signed repository of model packages: the only room of the centre that touches signing keys.

It writes files; how they reach devices (web server, stick, MQTT) is for others. Who holds which key and what to do
when one is lost: docs/key-ceremony.md. Reasons: docs/adr/0004-updates.md.
"""
