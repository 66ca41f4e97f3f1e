"""Takes batches from MQTT, commits them once, and answers with receipts.

`reading` and `settling` are pure rules, `worker` is the I/O around them, `pool` starts several workers.
"""
