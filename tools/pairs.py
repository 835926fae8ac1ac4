"""``python tools/pairs.py WAY --set NAME --root FOLDER --out PAIRS.jsonl``: make a file of preference pairs."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["pairs", *sys.argv[1:]]))
