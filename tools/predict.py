"""``python tools/predict.py IMAGE QUESTION...``: answers on the terminal, from one read of the image."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["predict", *sys.argv[1:]]))
