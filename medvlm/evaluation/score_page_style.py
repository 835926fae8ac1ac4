"""How a score's page looks, light and dark, and the script of its filters; the leaderboard looks the same."""

STYLE = """<style>
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --ink: #14181f; --soft: #525b69; --line: #e0e4ea; --grid: #eceff3; --track: #eef1f5;
  --accent: #2563c9; --bar: #9dbbea; --right: #17703f; --wrong: #a92f28; --other: #5b6472; --reference: #b3372f;
  --warn-ink: #6b4500; --warn: #fff3d6; --warn-line: #f0d48c; --image: #0b0d10; --caption: #c3cad4;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101317; --card: #181c22; --ink: #e8ebf0; --soft: #a6afbc; --line: #2f363f; --grid: #252b33;
    --track: #232931; --accent: #7aa7f5; --bar: #3f64a0; --right: #57c58a; --wrong: #f0857c; --other: #a3adba;
    --reference: #f0857c; --warn-ink: #f3d491; --warn: #2e2615; --warn-line: #57471f; --image: #000000;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); overflow-wrap: anywhere;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1120px; margin: 0 auto; padding: 28px 20px 64px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 40px 0 6px; } h3 { font-size: 14px; margin: 14px 0 6px; }
p { margin: 0; } .about, .subtitle { color: var(--soft); max-width: 84ch; }
.about { margin: 0 0 10px; font-size: 14px; }
.banner { background: var(--warn); color: var(--warn-ink); border-bottom: 1px solid var(--warn-line); font-weight: 600;
  padding: 10px 20px; text-align: center; }
nav { margin: 12px 0 0; font-size: 14px; display: flex; flex-wrap: wrap; gap: 4px 14px; }
nav a { color: var(--accent); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; margin: 0 0 14px; }
.scroll { overflow-x: auto; }
.scroll:focus-visible { outline: 2px solid var(--accent); }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 7px 12px; text-align: left; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--soft); font-weight: 500; font-size: 13px; vertical-align: bottom; }
tbody th { font-weight: 400; } .number { text-align: right; white-space: nowrap; overflow-wrap: normal; }
tbody th { min-width: 170px; } tbody td:not(.number) { min-width: 130px; }
tr.main th, tr.main .value { font-weight: 650; }
.soft, .ends { color: var(--soft); font-size: 13px; } .signature { font: 12px/1.4 ui-monospace, Menlo, monospace; }
.summary { display: flex; flex-wrap: wrap; gap: 14px 36px; padding: 18px 20px; margin-top: 18px; }
.headline { font-size: 46px; line-height: 1.1; font-weight: 650; letter-spacing: -0.02em; }
.summary > div { min-width: 0; flex: 1 1 260px; } .summary ul { margin: 0; padding: 0; list-style: none; }
.summary li { margin: 2px 0; } .beats { color: var(--right); font-weight: 650; }
.loses { color: var(--wrong); font-weight: 650; } .ties { font-weight: 650; }
.axis { position: relative; height: 14px; min-width: 150px; background: var(--track); border-radius: 3px; }
.axis .fill { position: absolute; inset: 0 auto 0 0; background: var(--bar); border-radius: 3px 0 0 3px; }
.axis .range { position: absolute; top: 6px; height: 2px; background: var(--ink); }
.span { display: flex; justify-content: space-between; gap: 10px; min-width: 150px; }
.axis .range::before, .axis .range::after { content: ""; position: absolute; top: -3px; width: 2px; height: 8px;
  background: var(--ink); }
.axis .range::before { left: 0; } .axis .range::after { right: 0; }
.axis .point { position: absolute; top: 3px; width: 8px; height: 8px; margin-left: -4px; border-radius: 50%;
  background: var(--accent); }
.axis .whole { position: absolute; top: -4px; bottom: -4px; border-left: 2px dashed var(--reference); }
.bars { padding: 10px 18px 12px; display: grid; grid-template-columns: minmax(120px, 26%) 1fr auto; gap: 5px 14px;
  align-items: center; }
.bars > span { text-align: left; }
.bars > .figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media (max-width: 760px) {
  .bars { grid-template-columns: 1fr; gap: 2px; } .bars .axis { margin-top: 4px; }
  .bars > .figure { text-align: left; white-space: normal; margin-bottom: 10px; }
  main { padding: 20px 14px 48px; } .headline { font-size: 38px; }
}
.plots { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); gap: 14px; }
.plot { padding: 10px 12px 6px; } .plot figcaption { font-weight: 600; padding: 0 4px 4px; }
.plot svg { width: 100%; height: auto; display: block; } figure { margin: 0; }
.plot .grid { stroke: var(--grid); } .plot .ideal { stroke: var(--other); stroke-dasharray: 5 4; fill: none; }
.plot .line { fill: none; stroke: var(--accent); stroke-width: 2; stroke-linejoin: round; }
.plot circle { fill: var(--accent); stroke: var(--card); stroke-width: 1.5; }
text { fill: var(--soft); font: 11px system-ui, "Segoe UI", Roboto, sans-serif; font-variant-numeric: tabular-nums; }
.notes { padding: 4px 20px; color: var(--soft); } .notes li { margin: 6px 0; } .notes ul { padding-left: 18px; }
"""

EXAMPLES_STYLE = """.filters { display: flex; flex-wrap: wrap; gap: 10px; align-items: end; padding: 12px 16px; }
.filters[hidden], .example[hidden], .none[hidden] { display: none; }
.filters label { display: grid; gap: 2px; font-size: 13px; color: var(--soft); min-width: 0; flex: 0 1 auto; }
.filters select, .filters input { font: inherit; font-size: 14px; color: var(--ink); background: var(--page);
  border: 1px solid var(--line); border-radius: 6px; padding: 5px 8px; max-width: 240px; width: 100%; }
.filters ::placeholder { color: var(--soft); opacity: 1; }
.filters output { margin-left: auto; font-variant-numeric: tabular-nums; color: var(--ink); }
.examples { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(320px, 100%), 1fr)); gap: 14px;
  align-items: start; }
.example { overflow: hidden; margin: 0; min-width: 0; }
.shown { background: var(--image); } .picture { position: relative; margin: 0 auto; }
.picture img { display: block; width: 100%; height: auto; }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100%; overflow: visible; }
.picture rect { fill: none; vector-effect: non-scaling-stroke; }
.halo { stroke: #000000; stroke-opacity: .7; stroke-width: 5; } .wanted-box { stroke: #ffd54a; stroke-width: 2.5; }
.given-box { stroke: #5ad1ff; stroke-width: 2.5; stroke-dasharray: 7 5; }
.shown figcaption { color: var(--caption); font-size: 12px; padding: 5px 14px 7px; display: flex; flex-wrap: wrap;
  gap: 2px 14px; align-items: center; }
.key { display: inline-flex; gap: 6px; align-items: center; } .key svg { width: 28px; height: 8px; }
.key line { stroke-width: 2.5; } .words { padding: 12px 16px 14px; }
.state { display: flex; flex-wrap: wrap; justify-content: space-between; gap: 0 12px; color: var(--soft);
  font-size: 13px; }
.badge { font-weight: 650; color: var(--other); } .badge.right { color: var(--right); }
.badge.wrong, .badge.unparsed { color: var(--wrong); }
.question { font-weight: 600; margin: 6px 0; max-height: 220px; overflow-y: auto; }
.problem { color: var(--soft); font-size: 13px; margin: 4px 0; }
.options { list-style: none; margin: 0 0 8px; padding: 0; color: var(--soft); max-height: 320px; overflow-y: auto; }
.options .wanted, .options .chosen { color: var(--ink); }
.options .mark { font-size: 12px; margin-inline-start: 6px; white-space: nowrap; }
.options .mark.is-wanted { color: var(--right); font-weight: 600; } .options .mark.is-chosen { font-weight: 600; }
.reference { margin: 0 0 8px; white-space: pre-wrap; max-height: 320px; overflow-y: auto; }
.label { color: var(--soft); font-size: 13px; }
.thought, .answer { margin: 8px 0 0; padding: 8px 10px; border-radius: 6px; background: var(--page);
  white-space: pre-wrap; max-height: 320px; overflow-y: auto;
  font: 13px/1.45 ui-monospace, Menlo, Consolas, monospace; }
details { margin: 8px 0 0; } summary { color: var(--soft); font-size: 13px; cursor: pointer; }
.tags { color: var(--soft); font-size: 12px; margin-top: 8px; }
"""

SCRIPT = """<script>
(function () {
  const form = document.querySelector(".filters");
  if (!form) return;
  const cards = Array.from(document.querySelectorAll(".example"));
  const texts = cards.map((card) => card.textContent.toLowerCase());
  const fits = (card, text) =>
    (!form.outcome.value || card.dataset.outcome === form.outcome.value) &&
    (!form.kind || !form.kind.value || card.dataset.kind === form.kind.value) &&
    (!form.category || !form.category.value || card.dataset.categories.split(" ").includes(form.category.value)) &&
    text.includes(form.search.value.trim().toLowerCase());
  const apply = () => {
    let shown = 0;
    cards.forEach((card, index) => {
      card.hidden = !fits(card, texts[index]);
      shown += card.hidden ? 0 : 1;
    });
    form.count.value = shown + " of " + cards.length + " shown";
    document.querySelector(".none").hidden = shown > 0;
  };
  form.hidden = false;
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  apply();
})();
</script>
"""
