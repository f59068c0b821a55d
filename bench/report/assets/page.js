"use strict";
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colors = Array.from({ length: 10 }, (_, i) => css("--c" + i));
const short = v => v == null ? "–" : Math.abs(v) >= 1e6 ? +(v / 1e6).toPrecision(3) + " M" : Math.abs(v) >= 1e4 ? +(v / 1e3).toPrecision(3) + " k" : String(+v.toPrecision(3));

// Percentiles stand at -log10(1 - p/100): each step right is ten times rarer.
const marks = [[0.301, "50"], [1, "90"], [2, "99"], [3, "99.9"], [4, "99.99"]];

function axes(chart) {
  const common = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") }, font: "12px system-ui" };
  const x = chart.kind === "percentile"
    ? { ...common, size: 36, splits: () => marks.map(m => m[0]), values: (_, at) => at.map(v => (marks.find(m => m[0] === v) || ["", ""])[1] + " %") }
    : { ...common, size: 36, values: (_, at) => at.map(v => v + " s") };
  // Of a logarithmic axis only 1, 10, 100 …
  const decades = chart.log ? (_, at) => at.map(v => Number.isInteger(+Math.log10(v).toFixed(6)) ? v : null) : undefined;
  const y = decades ? { filter: decades, grid: { ...common.grid, filter: decades }, ticks: { ...common.ticks, filter: decades } } : {};
  return [x, { ...common, ...y, size: 56, values: (_, at) => at.map(v => v == null ? "" : short(v)) }];
}

function draw(holder) {
  const chart = charts[holder.dataset.chart];
  const tables = chart.series.map(s => [s.x, s.y]);
  const data = tables.length > 1 ? uPlot.join(tables) : tables[0];
  const series = chart.series.map((s, i) => ({
    label: s.label, stroke: colors[s.color % colors.length], width: 2, dash: s.dashed ? [6, 4] : undefined, spanGaps: true,
    points: { show: s.x.length < 2 },
  }));
  const at = chart.kind === "percentile" ? v => "p" + +(100 * (1 - 10 ** -v)).toFixed(2) : v => v.toFixed(1) + " s";
  const legend = holder.nextElementSibling;
  const size = () => ({ width: holder.clientWidth, height: 230 });
  const plot = new uPlot({
    ...size(), axes: axes(chart), series: [{}, ...series], legend: { show: false },
    scales: { x: { time: false }, y: chart.log ? { distr: 3 } : { range: (_, lo, hi) => [0, hi > 0 ? hi * 1.08 : 1] } },
    cursor: { drag: { x: false, y: false } }, hooks: { setCursor: [u => explain(legend, chart, u, at)] },
  }, data, holder);
  explain(legend, chart, plot, at);
  new ResizeObserver(() => { if (holder.clientWidth !== plot.width) plot.setSize(size()); }).observe(holder);
  return plot;
}

// explain writes what the lines are, and their values where the pointer is.
function explain(legend, chart, plot, at) {
  const n = plot.cursor.idx;
  legend.replaceChildren(...chart.series.map((s, i) => {
    const item = document.createElement("span"), mark = document.createElement("i"), value = document.createElement("b");
    mark.style.borderColor = colors[s.color % colors.length];
    mark.className = s.dashed ? "dashed" : "";
    const v = n == null ? null : plot.data[i + 1][n];
    if (v != null) value.textContent = short(v) + " " + chart.unit;
    item.append(mark, s.label, value);
    return item;
  }));
  if (n != null) legend.append(at(plot.data[0][n]));
}

function drawAll() {
  let drawn = 0;
  for (const holder of document.querySelectorAll(".chart")) {
    holder.replaceChildren();
    draw(holder);
    drawn++;
  }
  // For whoever wants to know whether the page works: the test does.
  document.documentElement.dataset.drawn = drawn;
}
drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
