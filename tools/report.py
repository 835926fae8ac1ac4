"""``python tools/report.py STUDIES --out DIR``: reports for a folder of studies; run again, it does what is missing."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["report", *sys.argv[1:]]))
