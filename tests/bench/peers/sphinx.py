"""The baseline recogniser: CMU Sphinx through PyPI's pocketsphinx, a grammar of just the words asked.

    .venv-peers/bin/python tests/bench/peers/sphinx.py MODEL DICTIONARY GRAMMAR < clips

Each line of standard input names a raw file (16 kHz, 16 bits); each line out is JSON: clip, word, seconds taken.
"""

import json
import sys
import time
from pathlib import Path

from pocketsphinx import Decoder


def main() -> None:
    model, dictionary, grammar = sys.argv[1:4]
    decoder = Decoder(hmm=model, dict=dictionary, jsgf=grammar, loglevel="FATAL")
    for line in sys.stdin:
        samples = Path(line.strip()).read_bytes()
        began_s = time.perf_counter()
        decoder.start_utt()
        decoder.process_raw(samples, full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        took_s = time.perf_counter() - began_s
        print(json.dumps({"clip": line.strip(), "word": hypothesis.hypstr if hypothesis else "", "s": took_s}))


if __name__ == "__main__":
    main()
