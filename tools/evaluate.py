"""Score a saved model: python tools/evaluate.py MODEL --set vqa_rad --root FOLDER --out records."""

import sys

from medvlm.evaluation.command import main

if __name__ == "__main__":
    sys.exit(main())
