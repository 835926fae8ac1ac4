"""The rollouts' part of the page: filters are radio buttons and style rules, so that it too needs no script."""

ROLLOUTS_STYLE = """.rollouts { margin-top: 4px; }
.filters { display: flex; flex-wrap: wrap; gap: 8px 28px; padding: 10px 16px; margin-bottom: 14px; }
.filters fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
.filters legend { float: left; color: var(--soft); font-size: 13px; margin-right: 8px; }
.filters input { position: absolute; opacity: 0; width: 1px; height: 1px; }
.filters label { border: 1px solid var(--line); border-radius: 999px; padding: 2px 11px; font-size: 13px;
  cursor: pointer; font-variant-numeric: tabular-nums; }
.filters label:hover { border-color: var(--accent-soft); }
.filters input:checked + label { background: var(--accent); border-color: var(--accent); color: var(--card); }
.filters input:focus-visible + label { outline: 2px solid var(--accent); outline-offset: 2px; }
.group { display: grid; grid-template-columns: 168px minmax(0, 1fr); margin-bottom: 12px; overflow: hidden; }
.group.bare { grid-template-columns: minmax(0, 1fr); }
.group .seen { background: var(--image); margin: 0; }
.group .seen img { display: block; width: 168px; }
.group .said { padding: 10px 16px 12px; }
.group .where { display: flex; justify-content: space-between; gap: 12px; color: var(--soft); font-size: 13px;
  font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.group .where b { white-space: nowrap; }
.group .question { margin: 2px 0; }
.group .reference { margin: 0 0 8px; }
.tries { display: grid; grid-template-columns: auto auto minmax(0, 1fr) auto; gap: 4px 10px; align-items: start; }
.try { display: contents; }
.try .advantage { border-radius: 5px; padding: 1px 7px; text-align: right; font-variant-numeric: tabular-nums;
  font-size: 13px; font-weight: 600; background: color-mix(in srgb, var(--tone) var(--much), transparent); }
.try.better { --tone: var(--right); } .try.worse { --tone: var(--wrong); } .try.even { --tone: var(--other); }
.try .times { color: var(--faint); font-size: 13px; padding-top: 1px; }
.try .text { font: 13px/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; white-space: pre-wrap;
  overflow-wrap: anywhere; max-height: 15em; overflow-y: auto; }
.try .text i { color: var(--soft); font-style: normal; }
.try .cut { color: var(--wrong); font: 12px system-ui, sans-serif; }
.try .parts { max-width: 250px; color: var(--soft); font-size: 12.5px; text-align: right; padding-top: 1px;
  font-variant-numeric: tabular-nums; }
@media (max-width: 720px) { .group { grid-template-columns: minmax(0, 1fr); } .try .parts { display: none; } }
{% for choice in rollouts.choices %}
.rollouts:has(#{{ choice.id }}:checked) .group:not(.{{ choice.id }}) { display: none; }
{% endfor %}
"""

ROLLOUTS = """{% if rollouts.groups %}
<h2>Rollouts</h2>
<section class="rollouts">
<div class="card filters">
{% for row in rollouts.rows %}
<fieldset><legend>{{ row.legend }}</legend>
{% for choice in row.choices %}
<input type="radio" name="{{ row.name }}" id="{{ choice.id }}"{% if choice.first %} checked{% endif %}>
<label for="{{ choice.id }}">{{ choice.label }}</label>
{% endfor %}
</fieldset>
{% endfor %}
</div>
{% for item in rollouts.groups %}
<article class="card group {{ item.classes }}{% if not item.image %} bare{% endif %}">
{% if item.image %}
<figure class="seen"><img src="{{ item.image }}" alt="Image of the question"></figure>
{% endif %}
<div class="said">
<div class="where"><span>{{ item.card.stage }}, step {{ item.card.step }} · {{ item.card.caption }}</span>
<b>{{ item.verdict }}</b></div>
<p class="question">{{ item.card.question }}</p>
<p class="reference">Reference: {{ item.card.reference }}
{%- if item.card.options %} · of {{ item.card.options | join(" / ") }}{% endif %}</p>
<div class="tries">
{% for try in item.tries %}
<div class="try {{ try.tone }}" style="--much: {{ try.much }}%">
<span class="advantage" title="advantage">{{ try.advantage }}</span>
<span class="times">{{ try.times }}</span>
<span class="text">{% if try.thought %}<i>{{ try.thought }}</i>{% endif %}{{ try.rest }}
{%- if not try.thought and not try.rest %}<i>(nothing)</i>{% endif %}
{%- if try.cut %} <span class="cut">cut at the limit</span>{% endif %}</span>
<span class="parts">{{ try.parts }}</span>
</div>
{% endfor %}
</div>
</div>
</article>
{% endfor %}
</section>
{% endif %}
"""
