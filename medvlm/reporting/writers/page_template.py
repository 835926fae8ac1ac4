"""The page of a report as a Jinja template: no script, no font, no link to anywhere; it prints on A4 and Letter."""

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>AI report {{ report.study }}</title>
<style>
:root { --page: #f6f7f9; --card: #ffffff; --ink: #14181f; --soft: #5b6472; --line: #e3e7ec; --warn: #fff3d6;
  --warn-ink: #6b4500; --warn-line: #f0d48c; --mark: #d9480f; --present: #a3351c; --absent: #3b5b4a; }
@page { size: A4; margin: 16mm 14mm 18mm;
  @bottom-center {
    content: "{{ report.status }}, not for clinical use - {{ report.study }} - " counter(page) " of " counter(pages);
    font: 9px sans-serif; color: #5b6472; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 "DejaVu Sans", system-ui, sans-serif; }
.banner { background: var(--warn); color: var(--warn-ink); border-bottom: 1px solid var(--warn-line); font-weight: 700;
  padding: 10px 20px; text-align: center; }
main { max-width: 980px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 23px; margin: 0; }
h2 { font-size: 16px; margin: 26px 0 8px; }
.status { color: var(--soft); margin: 2px 0 0; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; }
.abstained { border: 2px solid var(--warn-line); background: var(--warn); color: var(--warn-ink); padding: 12px 16px;
  margin-top: 20px; }
table { border-collapse: collapse; width: 100%; background: var(--card); }
th, td { text-align: left; padding: 6px 10px; border: 1px solid var(--line); vertical-align: top; }
.provenance td { overflow-wrap: anywhere; }
th { font-size: 13px; color: var(--soft); font-weight: 600; }
.present { color: var(--present); font-weight: 700; } .absent { color: var(--absent); }
@media screen { .scroll { overflow-x: auto; } }
.key { position: relative; display: block; width: 520px; max-width: 100%; background: #000; margin: 0; }
.key img { display: block; width: 100%; }
.box { position: absolute; border: 2px solid var(--mark); }
.box b { position: absolute; left: -2px; top: -20px; background: var(--mark); color: #fff; font-size: 12px;
  line-height: 18px; padding: 0 6px; white-space: nowrap; }
.edge { position: absolute; color: #ffe08a; background: rgba(0, 0, 0, 0.65); padding: 2px 4px;
  font: 700 14px/1 "DejaVu Sans", sans-serif; }
.edge.left { left: 6px; top: 48%; } .edge.right { right: 6px; top: 48%; }
.edge.top { top: 6px; left: 49%; } .edge.bottom { bottom: 6px; left: 49%; }
.provenance td:first-child { width: 130px; color: var(--soft); }
.provenance { font-size: 12.5px; }
.doubt { color: var(--soft); font-size: 13px; }
@media print { body { background: #fff; font-size: 11px; } main { padding: 10px 0 0; max-width: none; }
  .key { width: 330px; } h2 { page-break-after: avoid; } tr { page-break-inside: avoid; } }
</style>
</head>
<body>
<div class="banner" role="note">{{ banner }}</div>
<main>
<h1>{{ (report.current.what or "Report")[0] | upper }}{{ (report.current.what or "Report")[1:] }}</h1>
<p class="status">Machine-written, {{ report.status }}. Study {{ report.study }}.</p>
{% if report.abstained %}
<div class="abstained"><b>No report was made.</b> {{ report.abstained }}</div>
{% endif %}
{% if not report.complete %}
<div class="abstained"><b>The text is cut off:</b> the model did not come to an end.</div>
{% endif %}
{% for name, text in sections %}
<h2>{{ name | capitalize }}</h2>
{% for line, direction in text %}
<p class="text" dir="{{ direction }}">{{ line }}</p>
{% endfor %}
{% endfor %}
{% if doubtful %}
<p class="doubt">The model was least sure of: {{ doubtful | join(" / ") }}</p>
{% endif %}
{% if image %}
<h2>Key image</h2>
<figure class="key"><img src="{{ image }}" alt="Key image">
{% for place, letter in edges.items() %}
<span class="edge {{ place }}">{{ letter }}</span>
{% endfor %}
{% for box in boxes %}
<div class="box" style="left:{{ box.left }}%;top:{{ box.top }}%;width:{{ box.width }}%;height:{{ box.height }}%">
<b>{{ box.number }} {{ box.name }}</b></div>
{% endfor %}
</figure>
{% endif %}
{% if findings %}
<h2>Findings, one by one</h2>
<div class="scroll"><table>
<thead><tr><th>#</th><th>Finding</th><th>Said to be</th><th>Side</th><th>Size</th><th>Certainty*</th>
<th>Text and question</th></tr></thead>
<tbody>
{% for number, finding, certainty in findings %}
<tr><td>{{ number }}</td><td>{{ finding.name }}</td><td class="{{ finding.presence }}">{{ finding.presence }}</td>
<td>{{ finding.side or "-" }}</td>
<td>{{ finding.size or "-" }}
{% if finding.size_mm is not none %}({{ "%.0f" | format(finding.size_mm) }} mm){% endif %}</td>
<td>{{ certainty }}</td>
<td{% if finding.agrees is false %} class="present"{% endif %}>
{{ "-" if finding.agrees is none else "agree" if finding.agrees else "contradict each other" }}</td></tr>
{% endfor %}
</tbody></table></div>
<p class="doubt">* Probability of the model's own answer; it is not calibrated.</p>
{% endif %}
<h2>Where this comes from</h2>
<div class="scroll"><table class="provenance"><tbody>
{% for name, value in provenance %}
<tr><td>{{ name }}</td><td>{{ value }}</td></tr>
{% endfor %}
</tbody></table></div>
</main>
</body>
</html>
"""
