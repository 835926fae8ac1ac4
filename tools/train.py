"""Run a recipe: python tools/train.py configs/cxr_r1.yaml [key=value ...] [--dry-run]."""

import sys

from medvlm.training.command import main

if __name__ == "__main__":
    sys.exit(main())
