"""A sheet of what a model will see: slices and channels with the patient's sides, histograms before and after."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np
import PIL.Image
from PIL import ImageDraw, ImageFont

from medvlm.resizing import Floats
from medvlm.show import CHANNELS, MOST, Seen, histogram, lines
from medvlm.windowing import even_slices

WIDTH, MARGIN, GAP = 1200, 16, 6
COLOURS = ("#ff5050", "#40c040", "#5080ff")
_BACK, _INK, _DIM, _MARK = "#101418", "#e8e8e8", "#8a9099", "#ffd040"
_PLOT = 150

Pil = PIL.Image.Image


def draw(seen: Seen) -> Pil:
    """Draw the sheet.

    Args:
        seen: What :func:`medvlm.show.see` gave.

    Returns:
        An RGB picture 1200 pixels wide.
    """
    parts = [_text(lines(seen)), *_sheets(seen), _histograms(seen)]
    height = sum(part.height + MARGIN for part in parts) + MARGIN
    sheet = PIL.Image.new("RGB", (WIDTH, height), _BACK)
    at = MARGIN
    for part in parts:
        sheet.paste(part, (MARGIN, at))
        at += part.height + MARGIN
    return sheet


def _sheets(seen: Seen) -> list[Pil]:
    """Slices as the model sees them, then the channels of one where they differ."""
    count = len(seen.places) if len(seen.shape) == 3 else seen.shape[0]
    drawn = even_slices(len(seen.pixels), MOST) if len(seen.pixels) > MOST else range(len(seen.pixels))
    names = [f"{seen.places[index] + 1} of {count}" for index in drawn] if count > 1 else ["as the model sees it"]
    if count > len(names):
        names[0] += f" ({len(names)} are drawn)"
    panels = [_panel(seen.pixels[index], name, seen.markers) for index, name in zip(drawn, names, strict=True)]
    middle = len(seen.pixels) // 2
    if len(seen.limits) != 3:
        return [_grid(panels)]
    labels = [f"{name} {low:g}..{high:g}" for name, (low, high) in zip(CHANNELS, seen.limits, strict=True)]
    if count > 1:
        labels[0] += f", slice {seen.places[middle] + 1}"
    gray = [np.repeat(seen.pixels[middle, index : index + 1], 3, axis=0) for index in range(3)]
    channels = [_panel(one, label, seen.markers) for one, label in zip(gray, labels, strict=True)]
    return [_grid(panels + channels)] if count == 1 else [_grid(panels), _grid(channels)]


def _panel(pixels: Floats, label: str, markers: Sequence[str]) -> tuple[Pil, str, Sequence[str]]:
    values = np.round(np.moveaxis(pixels, 0, -1) * 255).astype(np.uint8)
    return PIL.Image.fromarray(values), label, markers


def _grid(panels: Sequence[tuple[Pil, str, Sequence[str]]]) -> Pil:
    """Panels in rows, each with its label above and the patient's sides at its edges."""
    columns = min(len(panels), 8 if len(panels) > 12 else 6 if len(panels) > 4 else 4)
    wide = min((WIDTH - 2 * MARGIN - GAP * (columns - 1)) // columns, 520)
    tall = max(1, round(panels[0][0].height * wide / panels[0][0].width))
    rows = math.ceil(len(panels) / columns)
    sheet = PIL.Image.new("RGB", (WIDTH - 2 * MARGIN, rows * (tall + 20 + GAP)), _BACK)
    pen = ImageDraw.Draw(sheet)
    for index, (picture, label, markers) in enumerate(panels):
        x, y = index % columns * (wide + GAP), index // columns * (tall + 20 + GAP)
        pen.text((x + 2, y + 2), label, _DIM, font=_font(12))
        filter_ = PIL.Image.Resampling.NEAREST if wide > 2 * picture.width else PIL.Image.Resampling.BILINEAR
        sheet.paste(picture.resize((wide, tall), filter_), (x, y + 20))
        _mark(pen, (x, y + 20, wide, tall), markers)
    return sheet


def _mark(pen: ImageDraw.ImageDraw, box: tuple[int, int, int, int], markers: Sequence[str]) -> None:
    x, y, wide, tall = box
    places = (
        ((4, tall // 2), "lm"),
        ((wide - 4, tall // 2), "rm"),
        ((wide // 2, 4), "ma"),
        ((wide // 2, tall - 4), "md"),
    )
    for ((dx, dy), anchor), letter in zip(places, markers, strict=True):
        pen.text((x + dx, y + dy), letter, _MARK, font=_font(15), anchor=anchor, stroke_width=2, stroke_fill="black")


def _histograms(seen: Seen) -> Pil:
    """Values of the view with the limits of each channel, and the numbers that come out."""
    wide = (WIDTH - 2 * MARGIN - MARGIN) // 2
    sheet = PIL.Image.new("RGB", (WIDTH - 2 * MARGIN, _PLOT + 40), _BACK)
    values = seen.view.array
    low, high = float(values.min()), float(values.max())
    high = high if high > low else low + 1
    before = PIL.Image.new("RGB", (wide, _PLOT + 40), _BACK)
    _plot(before, [(_DIM, histogram(values, low, high))], f"values before ({seen.view.unit}), log scale", (low, high))
    colours = COLOURS if len(seen.limits) == 3 else (_MARK,)
    for row, (colour, limits) in enumerate(zip(colours, seen.limits, strict=True)):
        _limits(before, colour, limits, (low, high), row)
    after = PIL.Image.new("RGB", (wide, _PLOT + 40), _BACK)
    gray = bool((seen.pixels == seen.pixels[:, :1]).all())
    drawn = [(_INK, 0)] if gray else [(colour, index) for index, colour in enumerate(COLOURS)]
    bars = [(colour, histogram(seen.pixels[:, index], 0.0, 1.0)) for colour, index in drawn]
    _plot(after, bars, "numbers after, log scale", (0.0, 1.0))
    sheet.paste(before, (0, 0))
    sheet.paste(after, (wide + MARGIN, 0))
    return sheet


def _plot(sheet: Pil, bars: Sequence[tuple[str, Floats]], title: str, ends: tuple[float, float]) -> None:
    pen = ImageDraw.Draw(sheet)
    pen.text((2, 2), title, _DIM, font=_font(12))
    pen.line((0, _PLOT + 20, sheet.width, _PLOT + 20), _DIM)
    pen.text((0, _PLOT + 23), f"{ends[0]:g}", _DIM, font=_font(12))
    pen.text((sheet.width - 1, _PLOT + 23), f"{ends[1]:g}", _DIM, font=_font(12), anchor="ra")
    for colour, heights in bars:
        step = sheet.width / len(heights)
        points = [(step * (i + 0.5), _PLOT + 20 - float(h) * (_PLOT - 10)) for i, h in enumerate(heights)]
        if len(bars) == 1:
            pen.polygon([(0, _PLOT + 20), *points, (sheet.width, _PLOT + 20)], fill=colour)
        else:
            pen.line(points, colour, 2)


def _limits(sheet: Pil, colour: str, limits: tuple[float, float], ends: tuple[float, float], row: int) -> None:
    """Draw where black and white lie; a limit outside of the values is at the edge."""
    pen = ImageDraw.Draw(sheet)
    low, high = (min(max((limit - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0) * (sheet.width - 1) for limit in limits)
    y = 24 + 7 * row
    for x in (low, high):
        pen.line((x, y, x, _PLOT + 20), colour, 1)
    pen.line((low, y, high, y), colour, 3)


def _text(said: Sequence[str]) -> Pil:
    """Lines of text, long ones broken and indented."""
    wrapped = [part for line in said for part in textwrap.wrap(line, 150, subsequent_indent=" " * 9) or [""]]
    sheet = PIL.Image.new("RGB", (WIDTH - 2 * MARGIN, 18 * len(wrapped)), _BACK)
    pen = ImageDraw.Draw(sheet)
    for row, line in enumerate(wrapped):
        head, rest = line[:9], line[9:]
        pen.text((0, 18 * row), head, _DIM, font=_font(14))
        pen.text((70, 18 * row), rest, _INK, font=_font(14))
    return sheet


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
