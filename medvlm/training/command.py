"""``medvlm train``: run a recipe, look at what it would need, or list the recipes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from medvlm.config import list_recipes, load_config
from medvlm.study import MedvlmError

USAGE = """usage: python tools/train.py RECIPE [key=value ...] [--dry-run]

RECIPE is a YAML file or the name of one below; key=value changes a setting (stages.grpo.lr=1e-5).
--dry-run builds nothing: it prints parameters, tokens, memory and what would be downloaded.

recipes:"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    dry = "--dry-run" in arguments
    arguments = [argument for argument in arguments if argument != "--dry-run"]
    if not arguments or arguments[0] in ("-h", "--help"):
        recipes = list_recipes()
        width = max(map(len, recipes), default=0)
        print(USAGE, *(f"  {name:{width}}  {purpose}" for name, purpose in recipes.items()), sep="\n")
        return 0
    try:
        recipe = load_config(arguments[0], arguments[1:])
        if dry:
            from medvlm.training.dryrun import dry_run

            print(dry_run(recipe))
        else:
            from medvlm.training.finish import run_recipe

            run_recipe(recipe)
    except (MedvlmError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stop:
        print(f"{stop or 'Stopped.'} The same command goes on from the last checkpoint.", file=sys.stderr)
        return 130
    return 0
