"""``python tools/convert.py VERB ...``: check, show, de-identify and audit data before training on it."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["convert", *sys.argv[1:]]))
