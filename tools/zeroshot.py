"""``python tools/zeroshot.py MODEL IMAGE... --labels A,B``: images against texts, without a question or a label."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["zeroshot", *sys.argv[1:]]))
