"""A score's page as a Jinja template: nothing is loaded from elsewhere, as its policy says."""

from medvlm.evaluation.score_page_style import EXAMPLES_STYLE, SCRIPT, STYLE

HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{ title }}</title>
"""

MACROS = """{% macro axis(bar, said, whole=None, filled=False) %}
{% if bar %}
<div class="axis" role="img" aria-label="{{ said }}">
{%- if filled %}<span class="fill" style="width:{{ bar.at }}%"></span>{% endif %}
{%- if whole is not none %}<span class="whole" style="left:{{ whole }}%"></span>{% endif %}
{%- if bar.width %}<span class="range" style="left:{{ bar.low }}%;width:{{ bar.width }}%"></span>{% endif %}
{%- if not filled %}<span class="point" style="left:{{ bar.at }}%"></span>{% endif %}
</div>
{% endif %}
{% endmacro %}
{% macro grid(columns, rows, words) %}
<div class="card scroll" tabindex="0" role="region" aria-label="Table">
<table>
<thead><tr>{% for name in columns %}<th scope="col"{% if loop.index0 not in words %} class="number"{% endif %}>
{{- name }}</th>
{%- endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr>{% for cell in row %}{% if loop.first %}<th scope="row" dir="auto">{{ cell }}</th>
{%- elif loop.index0 in words %}<td dir="auto">{{ cell }}</td>
{%- else %}<td class="number">{{ cell }}</td>{% endif %}{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
</div>
{% endmacro %}
{% macro notes_list(lines) %}
<div class="card notes"><ul>
{% for line in lines %}<li dir="auto">{{ line }}</li>
{% endfor %}
</ul></div>
{% endmacro %}
"""

TABLES = """<section class="card summary" id="summary">
<div>
<p class="soft">{{ headline.name }}</p>
<p class="headline">{{ headline.value }}</p>
<p>{{ headline.ends }}</p>
<p class="soft">{{ headline.said }}</p>
</div>
<div>
<ul>
{% for line in verdicts %}<li><span class="{{ line.word }}">{{ line.word }}</span> {{ line.name }}
<span class="soft">{{ line.said }}</span></li>
{% else %}<li class="soft">No baseline was asked: nothing says what this number is worth.</li>
{% endfor %}
</ul>
<p class="soft">{{ shares }}</p>
</div>
</section>
{% if baselines %}
<h2 id="baselines">Baselines</h2>
<p class="about">The same questions without looking, or with other images. The difference is paired, its interval
resamples whole clusters ({{ clusters }}), p is Holm's over these; a win or loss needs both to exclude chance.
McNemar's exact test knows no clusters. Detectable: the least difference found with 80 % power.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Baselines">
<table>
<thead><tr><th scope="col">answered by</th><th scope="col" class="number">{{ metric }}</th>
<th scope="col"><span class="ends span"><span>{{ span[0] }}</span><span>95 % interval</span>
<span>{{ span[1] }}</span></span></th><th scope="col" class="number">model minus it</th>
<th scope="col" class="number">p (Holm)</th>
<th scope="col" class="number">McNemar p</th><th scope="col" class="number">detectable</th>
<th scope="col" class="number">other answers</th></tr></thead>
<tbody>
{% for row in baselines %}
<tr{% if row.main %} class="main"{% endif %}><th scope="row">{{ row.name }}
{%- if row.words %}<br><span class="ends">{{ row.words }}</span>{% endif %}</th>
<td class="number"><span class="value">{{ row.value }}</span></td>
<td>{{ axis(row.bar, row.value ~ ", " ~ row.ends) }}<span class="ends">{{ row.ends }}</span></td>
<td class="number">{{ row.difference }}{% if row.gap %}<br><span class="ends">{{ row.gap }}</span>{% endif %}</td>
<td class="number">{{ row.p }}</td>
<td class="number">{{ row.mcnemar }}</td><td class="number">{{ row.seen }}</td>
<td class="number">{{ row.changed }}</td></tr>
{% endfor %}
</tbody>
</table>
</div>
{% endif %}
{% for part in parts %}
<h2 id="{{ part.id }}">{{ part.title }}</h2>
{% if part.about %}<p class="about">{{ part.about }}</p>{% endif %}
{{ grid(part.columns, part.rows, part.words) }}
{% endfor %}
{% if categories %}
<h2 id="categories">Categories</h2>
<p class="about">Accuracy by category with its 95 % interval; the dashed line is the accuracy over all questions.</p>
{% for group in categories %}
<h3>{{ group.name }}</h3>
<div class="card bars">
{% for row in group.rows %}
<span dir="auto">{{ row.label }}</span>
{{ axis(row.bar, row.label ~ ": " ~ row.value ~ ", " ~ row.ends, whole, True) }}
<span class="figure">{{ row.value }} <span class="ends">{{ row.ends }}, n = {{ row.n }}</span></span>
{% endfor %}
</div>
{% if group.left %}<p class="soft">{{ group.left }}</p>{% endif %}
{% endfor %}
{% endif %}
{% for section in sections %}
<h2 id="section-{{ section.id }}">{{ section.title }}</h2>
{% if section.about %}<p class="about">{{ section.about }}</p>{% endif %}
{% if section.plots %}
<div class="plots">
{% for plot in section.plots %}
<figure class="card plot">
<figcaption>{{ plot.name }}</figcaption>
<svg viewBox="0 0 {{ size.width }} {{ size.height }}" role="img" aria-label="{{ plot.said }}">
{% for tick in plot.y_ticks %}
<line class="grid" x1="{{ size.left }}" x2="{{ size.right }}" y1="{{ tick.at }}" y2="{{ tick.at }}"/>
<text x="{{ size.left - 6 }}" y="{{ tick.at + 4 }}" text-anchor="end">{{ tick.label }}</text>
{% endfor %}
{% for tick in plot.x_ticks %}<text x="{{ tick.at }}" y="{{ size.bottom + 16 }}" text-anchor="middle">
{{- tick.label }}</text>{% endfor %}

<text x="{{ (size.left + size.right) / 2 }}" y="{{ size.height - 8 }}" text-anchor="middle">{{ plot.x }}</text>
<text transform="translate(12 {{ (size.top + size.bottom) / 2 }}) rotate(-90)" text-anchor="middle">{{ plot.y }}</text>
{% if plot.diagonal %}<path class="ideal" d="{{ plot.diagonal }}"/>{% endif %}
<path class="line" d="{{ plot.path }}"/>
{% for x, y in plot.dots %}<circle cx="{{ x }}" cy="{{ y }}" r="4"/>{% endfor %}
</svg>
{% if plot.diagonal %}<p class="soft">Dashed: the ideal.</p>{% endif %}
</figure>
{% endfor %}
</div>
{% endif %}
{% if section.rows %}{{ grid(section.columns, section.rows, section.words) }}{% endif %}
{% if section.notes %}{{ notes_list(section.notes) }}{% endif %}
{% endfor %}
"""

EXAMPLES = """{% if cards %}
<h2 id="examples">Examples</h2>
<p class="about">{{ rule }}</p>
<form class="card filters" hidden>
<label>Outcome<select name="outcome"><option value="">all</option>
{% for name in outcomes %}<option>{{ name }}</option>{% endfor %}</select></label>
{% if kinds | length > 1 %}<label>Kind<select name="kind"><option value="">all</option>
{% for name in kinds %}<option>{{ name }}</option>{% endfor %}</select></label>{% endif %}

{% if tags %}<label>Category<select name="category"><option value="">all</option>
{% for name in tags %}<option value="{{ loop.index0 }}">{{ name }}</option>{% endfor %}</select></label>{% endif %}

<label>Text<input name="search" type="search" placeholder="in question or answer"></label>
<output name="count" aria-live="polite"></output>
</form>
<p class="none soft" hidden>No example fits these filters; they act on the examples of this page alone.</p>
<div class="examples">
{% for item in cards %}
<article class="card example" data-outcome="{{ item.card.outcome }}" data-kind="{{ item.card.record.kind }}"
 data-categories="{{ item.tags | join(" ") }}">
{% if item.card.image and item.card.image.uri %}
<figure class="shown"><div class="picture" style="max-width:{{ item.width }}px">
<img src="{{ item.card.image.uri }}" width="{{ item.card.image.width }}" height="{{ item.card.image.height }}"
 alt="Image of the question">
{% if item.boxes %}
<svg viewBox="0 0 1 1" preserveAspectRatio="none" role="img" aria-label="{{ item.said }}">
{% for box in item.boxes %}
<rect class="halo" x="{{ box.x }}" y="{{ box.y }}" width="{{ box.width }}" height="{{ box.height }}"/>
<rect class="{{ box.style }}" x="{{ box.x }}" y="{{ box.y }}" width="{{ box.width }}" height="{{ box.height }}"/>
{% endfor %}
</svg>
{% endif %}
</div>
{% if item.boxes or item.card.image.caption %}
<figcaption>
{% if item.card.wanted %}<span class="key"><svg viewBox="0 0 28 8" aria-hidden="true"><line class="wanted-box" x1="0"
 x2="28" y1="4" y2="4"/></svg>reference (solid)</span>{% endif %}
{% if item.card.given %}<span class="key"><svg viewBox="0 0 28 8" aria-hidden="true"><line class="given-box" x1="0"
 x2="28" y1="4" y2="4"/></svg>answer (dashed)</span>{% endif %}
{% if item.card.image.caption %}<span>{{ item.card.image.caption }}</span>{% endif %}
</figcaption>
{% endif %}
</figure>
{% endif %}
<div class="words">
<div class="state"><span class="badge {{ item.card.outcome | replace(" ", "-") }}">{{ item.sign }}
{{ item.card.outcome }}</span><span>{{ item.card.facts }}</span></div>
{% if item.card.image and item.card.image.problem %}<p class="problem">Image not shown:
{{ item.card.image.problem }}</p>{% endif %}

{% if item.card.why %}<p class="problem" dir="auto">{{ item.card.why }}</p>{% endif %}
<p class="question" dir="auto">{{ item.question }}</p>
{% if item.card.options %}
<ul class="options">
{% for option in item.card.options %}
<li dir="auto" class="{% if option.wanted %}wanted{% endif %}{% if option.chosen %} chosen{% endif %}">
{{- option.letter }}) {{ option.text }}
{%- if option.share %} <span class="mark">{{ option.share }}</span>{% endif %}
{%- if option.wanted %} <span class="mark is-wanted">✓ reference</span>{% endif %}
{%- if option.chosen %} <span class="mark is-chosen">◆ chosen</span>{% endif %}</li>
{% endfor %}
</ul>
{% else %}
<div class="reference"><span class="label">Reference</span> <bdi>{{ item.reference }}</bdi></div>
{% endif %}
{% if item.card.thought %}<details><summary>Reasoning</summary>
<div class="thought" dir="auto">{{ item.card.thought }}</div></details>{% endif %}
<p class="label">Answer{% if item.read %}, read as {{ item.read }}{% endif %}</p>
<div class="answer" dir="auto">{{ item.card.answer or "(nothing)" }}</div>
<p class="tags">{{ item.words }}</p>
</div>
</article>
{% endfor %}
</div>
{% endif %}
"""

END = """{% if notes %}<h2 id="notes">Notes</h2>
{{ notes_list(notes) }}{% endif %}
<h2 id="provenance">Provenance</h2>
<p class="about">What is needed to get this number again. It is also in score.json, field by field.</p>
<div class="card scroll" tabindex="0" role="region" aria-label="Provenance"><table><tbody>
{% for name, value in fields %}
<tr><th scope="row" class="soft">{{ name }}</th><td>{{ value }}</td></tr>
{% endfor %}
</tbody></table></div>
</main>
"""

BODY = """</head>
<body>
<div class="banner" role="note">{{ banner }}</div>
<main>
<h1 dir="auto">{{ title }}</h1>
<p class="subtitle">{{ subtitle }}</p>
<nav aria-label="Contents">{% for id, words in contents %}<a href="#{{ id }}">{{ words }}</a>{% endfor %}</nav>
"""

TEMPLATE = f"{MACROS}{HEAD}{STYLE}{EXAMPLES_STYLE}</style>\n{BODY}{TABLES}{EXAMPLES}{END}{SCRIPT}</body>\n</html>\n"
