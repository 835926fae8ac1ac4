"""Score a saved model, or a file of predictions, by a protocol; compare runs.

::

    python tools/evaluate.py MODEL --set NAME --root FOLDER --out DIR
    python tools/evaluate.py --predictions FILE.jsonl --protocol slake --root FOLDER
    python tools/evaluate.py compare DIR OTHER
"""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
