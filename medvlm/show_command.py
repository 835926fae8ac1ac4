"""``medvlm convert show FILE``: draw what a model will see of an image, with the numbers."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

from medvlm.options import add_repair


def add(parsers: argparse._SubParsersAction[Any]) -> None:
    """Describe the verb's arguments.

    Args:
        parsers: Where ``medvlm convert`` keeps its verbs.
    """
    parser = parsers.add_parser(
        "show",
        help="draw what a model will see of a file, with the numbers",
        description="Draw what a model will see of an image: slices and channels with the patient's sides, histograms "
        "before and after with the window's limits, and every number. A file that no recipe fits is refused with all "
        "reasons.",
    )
    parser.add_argument("file", help="a DICOM, NIfTI, PNG or JPEG file, a folder of slices, a slide")
    recipes = parser.add_mutually_exclusive_group()
    recipes.add_argument(
        "--recipe", metavar="NAME", help="a named recipe (a wrong name lists them); else the first that fits"
    )
    recipes.add_argument("--model", metavar="FOLDER", help="take the recipes that are saved with a model")
    parser.add_argument("--out", metavar="PNG", type=Path, default=Path("show.png"), help="the drawing; show.png")
    parser.add_argument("--modality", help="DICOM modality, for files that do not say (CT)")
    add_repair(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read the image, print the numbers and write the drawing.

    Args:
        arguments: What :func:`add` describes.

    Returns:
        0.
    """
    from medvlm.datamodules.readers import read_image
    from medvlm.files import write_whole
    from medvlm.show import lines, named_recipe, recipes_of_model, see
    from medvlm.show_picture import draw

    recipe = named_recipe(arguments.recipe) if arguments.recipe else None
    recipes = recipes_of_model(arguments.model) if arguments.model else ()
    seen = see(read_image(arguments.file, modality=arguments.modality, repair=arguments.repair), recipe, recipes)
    file = io.BytesIO()
    draw(seen).save(file, "PNG")
    write_whole(arguments.out, file.getvalue())
    print("\n".join(lines(seen)))
    print(f"drawn    {arguments.out}")
    return 0
