"""From photographs to a decision: quality gate, inference, fusion, decision, advice.

Pure rules around one runtime. Nothing here opens a file, a camera, a database or a socket.
"""
