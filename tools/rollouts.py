"""``python tools/rollouts.py RUN [--stage NAME] [--step N] [--worst | --best] [--sample ID]``: what GRPO sampled."""

import sys

from medvlm.cli import main

if __name__ == "__main__":
    sys.exit(main(["rollouts", *sys.argv[1:]]))
