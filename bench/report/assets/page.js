"use strict";
const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const colors = ["#2f6fed", "#e07a1f", "#12a150", "#c2375a", "#8b5cf6", "#0aa5b5", "#b58900", "#777f8c", "#d04bb5"];
const short = v => v == null ? "–" : Math.abs(v) >= 1e6 ? +(v / 1e6).toPrecision(3) + " M" : Math.abs(v) >= 1e4 ? +(v / 1e3).toPrecision(3) + " k" : String(+v.toPrecision(3));

// Percentiles stand at -log10(1 - p/100): each step right is ten times rarer.
const marks = [[0.301, "50"], [1, "90"], [2, "99"], [3, "99.9"], [4, "99.99"]];

function axes(chart) {
  const common = { stroke: css("--soft"), grid: { stroke: css("--line"), width: 1 }, ticks: { stroke: css("--line") }, font: "12px system-ui" };
  const x = chart.kind === "percentile"
    ? { ...common, splits: () => marks.map(m => m[0]), values: (_, at) => at.map(v => (marks.find(m => m[0] === v) || ["", ""])[1] + " %") }
    : { ...common, values: (_, at) => at.map(v => v + " s") };
  return [x, { ...common, size: 56, values: (_, at) => at.map(v => v == null ? "" : short(v)) }];
}

function draw(holder) {
  const chart = charts[holder.dataset.chart];
  const tables = chart.series.map(s => [s.x, s.y]);
  const data = tables.length > 1 ? uPlot.join(tables) : tables[0];
  const series = chart.series.map((s, i) => ({
    label: s.label, stroke: colors[s.color % colors.length], width: 2, dash: s.dashed ? [6, 4] : undefined, spanGaps: true,
    points: { show: s.x.length < 2 }, value: (_, v) => short(v) + " " + chart.unit,
  }));
  const at = chart.kind === "percentile" ? (_, v) => v == null ? "" : "p" + +(100 * (1 - 10 ** -v)).toFixed(2) : (_, v) => v == null ? "" : v.toFixed(0) + " s";
  const size = () => ({ width: holder.clientWidth, height: 230 });
  const plot = new uPlot({
    ...size(), axes: axes(chart), series: [{ value: at, label: "" }, ...series],
    scales: { x: { time: false }, y: chart.log ? { distr: 3 } : { range: (_, lo, hi) => [0, hi > 0 ? hi * 1.08 : 1] } },
    cursor: { drag: { x: false, y: false } },
  }, data, holder);
  new ResizeObserver(() => { if (holder.clientWidth !== plot.width) plot.setSize(size()); }).observe(holder);
  return plot;
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
