"""``python tools/watch.py --listen PORT --out DIR``: reports of studies as they come, and back to the archive."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["watch", *sys.argv[1:]]))
