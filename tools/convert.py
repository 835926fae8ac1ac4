"""``python tools/convert.py check DATA.jsonl``: check data of your own before training on it."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["convert", *sys.argv[1:]]))
