"""What a farmer says: clips, lists of phrases, recognition, slots. Nothing here opens a microphone or the network."""
