"""The page as a Jinja template: no script, no font, no link to anywhere."""

from medvlm.evaluation.page_rollouts_template import ROLLOUTS, ROLLOUTS_STYLE

TEMPLATE = (
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
<style>
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #14181f; --soft: #5b6472; --faint: #8a93a1; --line: #e3e7ec;
  --grid: #eceff3; --accent: #2563c9; --accent-soft: #9dbbea; --right: #1d7f4c; --wrong: #b3372f; --other: #6b7482;
  --caution: #9a6200; --warn-ink: #6b4500; --warn: #fff3d6; --warn-line: #f0d48c; --image: #0b0d10;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101317; --card: #181c22; --ink: #e8ebf0; --soft: #a6afbc; --faint: #7d8694; --line: #2a3038;
    --grid: #252b33; --accent: #7aa7f5; --accent-soft: #3d5a8a; --right: #57c58a; --wrong: #f0857c; --other: #97a1af;
    --caution: #e0b050; --warn-ink: #f3d491; --warn: #2e2615; --warn-line: #57471f; --image: #000000;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 17px; margin: 40px 0 12px; }
.subtitle { color: var(--soft); margin: 4px 0 0; }
.banner { background: var(--warn); color: var(--warn-ink); border-bottom: 1px solid var(--warn-line); font-weight: 600;
  padding: 10px 20px; text-align: center; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
.results { overflow-x: auto; overflow-y: hidden; }
table { border-collapse: collapse; width: 100%; min-width: 760px; font-variant-numeric: tabular-nums; }
th, td { padding: 9px 16px; text-align: left; border-top: 1px solid var(--line); vertical-align: middle; }
thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: 13px; padding-bottom: 4px; }
th.number, td.number { text-align: right; white-space: nowrap; }
td .note { color: var(--soft); font-size: 13px; display: block; }
tr.main td { font-weight: 650; }
tr.main .note, tr.main .ends { font-weight: 400; }
.ends { color: var(--soft); }
.whisker { display: block; width: 260px; height: 44px; margin: -10px 0; }
thead .whisker { height: 22px; margin: 0; }
.whisker .axis { stroke: var(--grid); }
.whisker .range { stroke: var(--accent-soft); stroke-width: 4; stroke-linecap: round; }
.whisker .point { fill: var(--other); }
tr.main .whisker .point { fill: var(--accent); }
text { fill: var(--faint); font: 11px system-ui, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums; }
.charts, .examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(320px, 1fr)); gap: 14px; }
.chart { padding: 12px 12px 6px; margin: 0; }
.chart figcaption { display: flex; justify-content: space-between; gap: 12px; padding: 0 4px 4px; font-weight: 600; }
.chart figcaption span { color: var(--soft); font-weight: 400; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
.chart svg { width: 100%; height: auto; display: block; }
.chart .grid { stroke: var(--grid); }
.chart .raw { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
.chart .raw.under { stroke: var(--accent-soft); stroke-width: 1; opacity: .8; }
.chart .smooth { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
.chart .mark { fill: var(--wrong); fill-opacity: .28; }
.marked { color: var(--soft); font-size: 13px; margin: -6px 0 12px; }
.findings { list-style: none; margin: 0; padding: 6px 20px; }
.findings li { display: grid; grid-template-columns: 74px 1fr; gap: 10px; padding: 6px 0; }
.findings li + li { border-top: 1px solid var(--line); }
.findings .level { font-weight: 650; font-size: 13px; padding-top: 1px; color: var(--right); }
.findings .alarm .level { color: var(--wrong); } .findings .warning .level { color: var(--caution); }
.chart .end { fill: var(--accent); stroke: var(--card); stroke-width: 2; }
.examples { align-items: start; }
.example { overflow: hidden; display: flex; flex-direction: column; }
.example .shown { background: var(--image); margin: 0; }
.example .shown img { display: block; width: 100%; max-height: 300px; object-fit: contain; }
.example .shown figcaption { color: #aeb6c2; font-size: 12px; padding: 4px 14px 6px; }
.example .words { padding: 12px 16px 14px; }
.example .state { display: flex; justify-content: space-between; color: var(--soft); font-size: 13px; }
.badge { font-weight: 650; color: var(--other); }
.badge.right { color: var(--right); } .badge.wrong, .badge.unparsed { color: var(--wrong); }
.question { font-weight: 600; margin: 6px 0; }
.options { list-style: none; margin: 0 0 8px; padding: 0; color: var(--soft); }
.options .wanted { color: var(--ink); }
.options .mark { color: var(--faint); font-size: 12px; margin-left: 6px; }
.reference { margin: 0 0 8px; color: var(--soft); }
.thought, .answer { margin: 8px 0 0; padding: 8px 10px; border-radius: 6px; background: var(--page);
  white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.45 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
.thought { color: var(--soft); }
.notes { padding: 4px 20px; color: var(--soft); overflow-wrap: anywhere; }
.notes li { margin: 8px 0; }
"""
    + ROLLOUTS_STYLE
    + """</style>
</head>
<body>
<div class="banner" role="note">{{ banner }}</div>
<main>
<h1>{{ title }}</h1>
{% if subtitle %}
<p class="subtitle">{{ subtitle }}</p>
{% endif %}
{% if rows %}
<h2>Results</h2>
<div class="card results">
<table>
<thead><tr><th>Model</th><th class="number">{{ metric }}</th><th class="number">95 % interval</th>
<th><svg class="whisker" viewBox="0 0 260 22" aria-hidden="true">
{% for tick in axis %}<text x="{{ tick.at }}" y="16" text-anchor="middle">{{ tick.label }}</text>{% endfor %}
</svg></th><th class="number">Questions</th></tr></thead>
<tbody>
{% for item in rows %}
<tr{% if item.row.main %} class="main"{% endif %}>
<td>{{ item.row.name }}{% if item.row.note %}<span class="note">{{ item.row.note }}</span>{% endif %}</td>
<td class="number">{{ item.value }}</td>
<td class="number ends">{{ item.ends }}</td>
<td><svg class="whisker" viewBox="0 0 260 44" role="img" aria-label="{{ item.value }}, {{ item.ends }}">
{% for tick in axis %}<line class="axis" x1="{{ tick.at }}" x2="{{ tick.at }}" y1="0" y2="44"/>{% endfor %}
<line class="range" x1="{{ item.whisker.low }}" x2="{{ item.whisker.high }}" y1="22" y2="22"/>
<circle class="point" cx="{{ item.whisker.at }}" cy="22" r="4.5"/></svg></td>
<td class="number">{{ item.row.n }}</td>
</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
{% if findings %}
<h2>Diagnosis</h2>
<div class="card"><ul class="findings">
{% for finding in findings %}
<li class="{{ finding.level }}"><span class="level">{{ finding.level }}</span>
<span><b>{{ finding.stage }}</b> {{ finding.text }}</span></li>
{% endfor %}
</ul></div>
{% endif %}
{% if charts %}
<h2>Curves</h2>
{% if marked %}
<p class="marked">Red marks steps with a collapse alarm, and steps that were skipped.</p>
{% endif %}
<div class="charts">
{% for chart in charts %}
<figure class="card chart">
<figcaption>{{ chart.name }}<span>{{ chart.first }} → {{ chart.last }}</span></figcaption>
<svg viewBox="0 0 340 176" role="img" aria-label="{{ chart.name }}: from {{ chart.first }} to {{ chart.last }}">
{% for tick in chart.y_ticks %}
<line class="grid" x1="46" x2="328" y1="{{ tick.at }}" y2="{{ tick.at }}"/>
<text x="40" y="{{ tick.at + 4 }}" text-anchor="end">{{ tick.label }}</text>
{% endfor %}
{% for tick in chart.x_ticks %}
<text x="{{ tick.at }}" y="168" text-anchor="middle">{{ tick.label }}</text>
{% endfor %}
{% for at, width in chart.marks %}<rect class="mark" x="{{ at }}" width="{{ width }}" y="10" height="142"/>{% endfor %}
<path class="raw{% if chart.smooth %} under{% endif %}" d="{{ chart.raw }}"/>
{% if chart.smooth %}<path class="smooth" d="{{ chart.smooth }}"/>{% endif %}
<circle class="end" cx="{{ chart.end[0] }}" cy="{{ chart.end[1] }}" r="4"/>
</svg>
</figure>
{% endfor %}
</div>
{% endif %}
{% if examples %}
<h2>Examples</h2>
<div class="examples">
{% for item in examples %}
<article class="card example">
{% if item.image %}
<figure class="shown"><img src="{{ item.image }}" alt="Image of the question">
{% if item.example.caption %}<figcaption>{{ item.example.caption }}</figcaption>{% endif %}</figure>
{% endif %}
<div class="words">
<div class="state"><span class="badge {{ item.verdict }}">{{ item.verdict }}</span>
{% if item.reward %}<span>reward {{ item.reward }}</span>{% endif %}</div>
<p class="question">{{ item.example.question }}</p>
{% if item.options %}
<ul class="options">
{% for option in item.options %}
<li{% if option.wanted %} class="wanted"{% endif %}>{{ option.letter }}) {{ option.text }}
{%- if option.wanted %}<span class="mark">reference</span>{% endif %}
{%- if option.chosen %}<span class="mark">chosen</span>{% endif %}</li>
{% endfor %}
</ul>
{% else %}
<p class="reference">Reference: {{ item.example.reference }}</p>
{% endif %}
{% if item.thought %}<div class="thought">{{ item.thought }}</div>{% endif %}
<div class="answer">{{ item.answer or "(nothing)" }}</div>
</div>
</article>
{% endfor %}
</div>
{% endif %}
"""
    + ROLLOUTS
    + """{% if notes %}
<h2>Notes</h2>
<div class="card notes"><ul>
{% for note in notes %}<li>{{ note }}</li>{% endfor %}
</ul></div>
{% endif %}
</main>
</body>
</html>
"""
)
