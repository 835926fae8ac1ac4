"""``python tools/evaluate.py MODEL --set NAME --root FOLDER --out DIR``: score a saved model by a protocol."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
