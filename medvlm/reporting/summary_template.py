"""The page of a run as a Jinja template: light and dark, for a desk and a telephone; its script only filters."""

TEMPLATE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>AI reports of a run, not for clinical use</title>
<style>
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --ink: #14181f; --soft: #5b6472; --line: #dfe4ea;
  --warn: #fff3d6; --warn-ink: #6b4500; --warn-line: #f0d48c; --bad: #a3261c; --good: #2c6a4a; --mark: #b4540a;
  --link: #1559a8; }
@media (prefers-color-scheme: dark) { :root { --page: #12151a; --card: #1b2027; --ink: #e8ebf0; --soft: #a2abb9;
  --line: #323a45; --warn: #3a2f12; --warn-ink: #f6dc9b; --warn-line: #6b5620; --bad: #ff9c8f; --good: #86d3a9;
  --mark: #f2b06b; --link: #8cbcff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
.banner { background: var(--warn); color: var(--warn-ink); border-bottom: 1px solid var(--warn-line); font-weight: 700;
  padding: 10px 16px; text-align: center; }
main { max-width: 1080px; margin: 0 auto; padding: 20px 16px 48px; }
h1 { font-size: 23px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 28px 0 6px; } h3 { font-size: 15px; margin: 0; }
p { margin: 0 0 8px; } .soft { color: var(--soft); } a { color: var(--link); }
.counts { display: flex; flex-wrap: wrap; gap: 10px; margin: 14px 0 0; }
.count { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 8px 16px;
  min-width: 96px; }
.count b { display: block; font-size: 24px; line-height: 1.2; } .count span { color: var(--soft); font-size: 13px; }
.card { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--mark); border-radius: 8px;
  padding: 10px 14px; margin: 10px 0; }
ul { margin: 6px 0 0; padding-left: 20px; }
table { border-collapse: collapse; width: 100%; background: var(--card); }
th, td { text-align: left; padding: 6px 10px; border: 1px solid var(--line); vertical-align: top; }
td:last-child { overflow-wrap: anywhere; } .failed, .skipped, .done { white-space: nowrap; }
th { color: var(--soft); font-size: 13px; font-weight: 600; }
td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.failed { color: var(--bad); font-weight: 700; } .done { color: var(--good); } .mark { color: var(--mark); }
.scroll { overflow-x: auto; }
code { font: 13px ui-monospace, "DejaVu Sans Mono", monospace; }
.filter { display: none; gap: 8px; flex-wrap: wrap; margin: 0 0 8px; }
.filter input, .filter select { font: inherit; color: inherit; background: var(--card); border: 1px solid var(--line);
  border-radius: 6px; padding: 6px 10px; } .filter input { flex: 1 1 220px; min-width: 0; }
tr[hidden] { display: none; }
@media (max-width: 620px) {
  .all thead { display: none; } .all tr { display: block; border: 1px solid var(--line); margin-bottom: 8px; }
  .all tr[hidden] { display: none; } .all td { display: block; border: 0; padding: 3px 10px; }
  .all td:empty { display: none; } th, td { padding: 5px; }
  th { font-size: 12px; } td.n .soft { display: none; } }
</style>
</head>
<body>
<div class="banner" role="note">{{ banner }}</div>
<main>
<h1>Reports of this run</h1>
<p class="soft">Machine-written, preliminary, unverified.{% if speed %} {{ speed }}.{% endif %}</p>
<div class="counts">
{% for name, count in counts %}
<div class="count"><b class="{{ name if count else '' }}">{{ count }}</b><span>{{ name }}</span></div>
{% endfor %}
</div>
{% if first %}
<h2>To look at first</h2>
{% for title, why, found, total in first %}
<div class="card"><h3>{{ title }}: {{ total }}</h3><p class="soft">{{ why }}</p><ul>
{% for line in found %}
<li><a href="#s{{ line.row.study }}"><code>{{ line.row.study }}</code></a> {{ line.notes }}</li>
{% endfor %}
</ul>{% if total > found | length %}<p class="soft">and {{ total - found | length }} more in the table</p>{% endif %}
</div>
{% endfor %}
{% endif %}
{% if reasons %}
<h2>Why studies have no report</h2>
<div class="scroll"><table>
<thead><tr><th>Studies</th><th>Status</th><th>Reason (of the first of them)</th></tr></thead><tbody>
{% for status, reason, count in reasons %}
<tr><td class="n">{{ count }}</td><td class="{{ status }}">{{ status }}</td><td>{{ reason }}</td></tr>
{% endfor %}
</tbody></table></div>
{% endif %}
{% if findings %}
<h2>Findings</h2>
<div class="scroll"><table>
<thead><tr><th>Finding</th><th>Present</th><th>Absent</th><th>Uncertain</th><th>Unread</th></tr></thead><tbody>
{% for one in findings %}
<tr><td>{{ one.name }}</td>{% for name in ("present", "absent", "uncertain", "unread") %}
<td class="n">{{ one.counts[name] }}{% if one.counts[name] %} <span class="soft">
{{ "%.0f" | format(100 * one.counts[name] / one.total) }} %</span>{% endif %}</td>{% endfor %}</tr>
{% endfor %}
</tbody></table></div>
<p class="soft">As the model answered, not as it is; nothing here is calibrated.</p>
{% endif %}
<h2>All studies</h2>
<div class="filter"><input type="search" placeholder="Study, finding, reason" aria-label="Filter the table">
<select aria-label="Status"><option value="">every status</option><option>failed</option><option>skipped</option>
<option>done</option></select><span class="soft" role="status"></span></div>
<table class="all"><thead><tr><th>Study</th><th>Status</th><th>Image</th><th>Said to be present</th><th>Notes</th>
{% if places %}<th>Place</th>{% endif %}</tr></thead><tbody>
{% for line in lines %}
<tr id="s{{ line.row.study }}"><td><code>{{ line.row.study }}</code>
{%- for form in line.links %} <a href="{{ line.row.study }}.{{ form }}">{{ form }}</a>{% endfor %}</td>
<td class="{{ line.row.status }}">{{ line.row.status }}</td><td>{{ line.row.modality }}</td><td>{{ line.present }}</td>
<td>{% if line.notes %}<span class="mark">{{ line.notes }}</span> {% endif %}{{ line.row.reason }}</td>
{%- if places %}<td>{{ line.row.place }}</td>{% endif %}</tr>
{% endfor %}
</tbody></table>
<h2>Where the reports come from</h2>
{% for facts, count in origins %}
<table><tbody><tr><td class="soft">Reports</td><td>{{ count }}</td></tr>
{% for name, value in facts %}
<tr><td class="soft">{{ name }}</td><td>{{ value }}</td></tr>
{% endfor %}
</tbody></table><br>
{% else %}
<p class="soft">There is no report.</p>
{% endfor %}
</main>
<script>
(function () {
  var bar = document.querySelector(".filter"), text = bar.querySelector("input"), status = bar.querySelector("select"),
    said = bar.querySelector("span"), rows = Array.from(document.querySelectorAll(".all tbody tr")),
    words = rows.map(function (row) { return row.textContent.toLowerCase(); }), wait;
  bar.style.display = "flex";
  function filter() {
    var wanted = text.value.trim().toLowerCase(), shown = 0;
    rows.forEach(function (row, index) {
      var fits = words[index].indexOf(wanted) >= 0 && (!status.value || row.cells[1].textContent === status.value);
      row.hidden = !fits;
      shown += fits;
    });
    said.textContent = shown + " of " + rows.length;
  }
  text.addEventListener("input", function () { clearTimeout(wait); wait = setTimeout(filter, 120); });
  status.addEventListener("change", filter);
  filter();
})();
</script>
</body>
</html>
"""
