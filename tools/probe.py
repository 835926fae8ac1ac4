"""``python tools/probe.py MODEL SET ROOT --out rates.json``: how often a model answers each question right."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["probe", *sys.argv[1:]]))
