"""``python tools/train.py RECIPE [key=value ...] [--dry-run]``: run a recipe; without arguments, list them."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
