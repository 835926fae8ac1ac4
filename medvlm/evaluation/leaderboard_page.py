"""A leaderboard as a page, as Markdown and as text."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from rich.console import Console
from rich.table import Table
from rich.text import Text

from medvlm.evaluation.charts import whisker_span
from medvlm.evaluation.leaderboard import COLUMNS, Leaderboard
from medvlm.evaluation.markdown import BANNER, escape, table
from medvlm.evaluation.score_charts import draw_bar
from medvlm.evaluation.score_page_style import STYLE
from medvlm.evaluation.score_page_template import HEAD, MACROS
from medvlm.files import write_whole

_BODY = """</head>
<body>
<div class="banner" role="note">{{ banner }}</div>
<main>
<h1>{{ title }}</h1>
<p class="subtitle">Ranked by {{ board.metric }}.
{% for name, value in board.alike.items() %}{{ name }} {{ value }}{% if not loop.last %} | {% endif %}{% endfor %}</p>
<h2>Ranks</h2>
<div class="card scroll" tabindex="0" role="region" aria-label="Ranks"><table>
<thead><tr><th scope="col" class="number">rank</th><th scope="col">run</th><th scope="col" class="number">score</th>
<th scope="col"><span class="ends span"><span>{{ span[0] }}</span><span>95 % interval</span>
<span>{{ span[1] }}</span></span></th>
{% for name in columns[4:] %}<th scope="col" class="number">{{ name }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr{% if row.cells[0] == "1" %} class="main"{% endif %}><td class="number"><span class="value">{{ row.cells[0] }}</span>
</td><th scope="row" dir="auto">{{ row.cells[1] }}</th><td class="number"><span class="value">{{ row.cells[2] }}</span>
</td><td>{{ axis(row.bar, row.cells[2] ~ ", " ~ row.cells[3]) }}<span class="ends">{{ row.cells[3] }}</span></td>
{% for cell in row.cells[4:] %}<td class="number">{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table></div>
{{ notes_list(board.notes) }}
{% if board.apart %}
<h2>Not ranked</h2>
<p class="about">These were not scored like the others, or not on the same questions: their numbers differ in meaning.
</p>
{{ grid(("run", "why"), board.apart, (0, 1)) }}
{% endif %}
{% if fields | length > 1 %}
<h2>Provenance</h2>
{{ grid(fields, made_of, range(fields | length)) }}
{% endif %}
</main>
</body>
</html>
"""
_SAID = ("protocol", "prompt hash", "parser", "split hash", "fingerprint", "questions", "resampled by")
"""Fields that are equal in all runs of a board; its head says them."""
TEMPLATE = f"{MACROS}{HEAD}{STYLE}</style>\n{_BODY}"


def board_page(board: Leaderboard, banner: str = BANNER) -> str:
    """The board as one HTML file that needs nothing else and has no script.

    Args:
        board: The board.
        banner: The warning at the top; it cannot be empty.

    Raises:
        ValueError: If the banner is empty.
    """
    if not banner.strip():
        raise ValueError("the banner of a page cannot be empty: a reader must know what the models are not for")
    scores = [place.score for place in board.places]
    span = whisker_span([number for one in scores for number in (one.value, one.low, one.high)])
    rows: list[dict[str, Any]] = [
        {"cells": cells, "bar": draw_bar(one.value, one.low, one.high, span)}
        for cells, one in zip(board.cells(), scores, strict=True)
    ]
    fields = list(dict.fromkeys(name for place in board.places for name in place.made_of if name not in _SAID))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    page = environment.from_string(TEMPLATE).render(
        title=board.title,
        banner=banner,
        board=board,
        span=tuple(f"{end:g}" for end in span),
        columns=COLUMNS,
        rows=rows,
        fields=["run", *fields],
        made_of=[[place.name, *(place.made_of.get(name, "-") for name in fields)] for place in board.places],
    )
    return page.lstrip()


def board_markdown(board: Leaderboard) -> str:
    """The board as Markdown.

    Args:
        board: The board.
    """
    parts = [f"# {escape(board.title)}", f"> {BANNER}", f"Ranked by {escape(board.metric)}."]
    parts += [table(COLUMNS, board.cells(), words=2), "\n".join(f"- {escape(note)}" for note in board.notes)]
    if board.apart:
        parts += ["## Not ranked", table(("run", "why"), board.apart, words=2)]
    return "\n\n".join(parts) + "\n"


def board_text(board: Leaderboard, width: int = 150) -> str:
    """The board as a table to print.

    Args:
        board: The board.
        width: Columns of the terminal.
    """
    console = Console(width=width, file=io.StringIO(), record=True, color_system=None)
    lines = Table(box=None, pad_edge=False)
    for name in COLUMNS:
        lines.add_column(name, justify="left" if name == "run" else "right", overflow="fold")
    for cells in board.cells():
        lines.add_row(*map(Text, cells))
    console.print(f"{board.title}, by {board.metric}", highlight=False, markup=False)
    console.print(lines)
    for line in (*board.notes, *(f"not ranked: {name}: {reason}" for name, reason in board.apart)):
        console.print(line, highlight=False, markup=False)
    return console.export_text()


def write_board(path: Path, board: Leaderboard) -> None:
    """Leave the board as HTML, and beside it as Markdown and JSON of the same name.

    Args:
        path: The HTML file.
        board: The board.
    """
    values = json.dumps(board.to_json(), indent=1, ensure_ascii=False)
    for suffix, text in ((".html", board_page(board)), (".md", board_markdown(board)), (".json", values)):
        write_whole(path.with_suffix(suffix), text.encode("utf-8", "replace"))
