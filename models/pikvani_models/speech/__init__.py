"""Training of the speech recogniser: words, voices that say them, hard rooms and fields, a small CTC network."""
