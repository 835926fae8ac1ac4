"""``python tools/distil.py SET ROOT --model FOLDER --out chains.jsonl``: verified reasoning of a stronger model."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["distil", *sys.argv[1:]]))
