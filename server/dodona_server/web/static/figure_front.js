// Trials by two objectives, and the Pareto front.
import { axis, drawnZoom, grid, highlighted, legend, sizeFor, tooltip, upAxis, zoom } from "./drawn.js";
import { short, text } from "./look.js";

const direction = { maximize: "maximized", minimize: "minimized" };

export const pareto = {
  title: "Pareto front",
  tools: [
    { name: "first", label: "x", metrics: true },
    { name: "second", label: "y", metrics: true },
  ],
  option({ figure }, chosen, colours, selected) {
    if (!figure.rows.length) return null;
    const x = Math.max(0, figure.metrics.indexOf(chosen.first));
    const y = figure.metrics.includes(chosen.second) ? figure.metrics.indexOf(chosen.second) : x === 0 ? 1 : 0;
    const front = new Set(figure.front);
    const points = figure.rows.map((row, index) => ({ value: [row[x], row[y]], number: figure.numbers[index], row }));
    const best = points.filter((point) => front.has(point.number));
    const line = figure.metrics.length === 2 ? staircase(best.map((point) => point.value), figure.goals[x], figure.goals[y]) : [];
    const axisName = (index) => `${short(figure.metrics[index], 30)}, ${direction[figure.goals[index]]}`;
    return {
      grid: grid(),
      legend: legend(colours, ["trials", "Pareto front"]),
      tooltip: tooltip(colours, { formatter: ({ data }) => `Trial ${data.number}\n${figure.metrics.map((name, index) => `${short(name)}: ${text(data.row[index])}`).join("\n")}` }),
      xAxis: axis(colours, axisName(x), { type: "value", scale: true }),
      yAxis: upAxis(colours, axisName(y)),
      dataZoom: zoom(chosen),
      toolbox: drawnZoom(),
      series: [
        { name: "trials", type: "scatter", data: points.filter((point) => !front.has(point.number)), symbolSize: sizeFor(points.length), itemStyle: { color: colours.marks.succeeded, opacity: 0.75 } },
        { name: "Pareto front", type: "scatter", data: best, symbolSize: 9, itemStyle: { color: colours.accent }, z: 5 },
        { name: "Pareto front", type: "line", data: line, symbol: "none", lineStyle: { color: colours.accent, width: 1.5 }, silent: true, tooltip: { show: false } },
        highlighted(colours, points.filter((point) => selected.has(point.number))),
      ],
    };
  },
  note: ({ figure }) => `${figure.front.length} of ${figure.total} trials ${figure.front.length === 1 ? "is" : "are"} on the Pareto front: no other trial beats them in all objectives.`,
  rows({ figure }) {
    const front = new Set(figure.front);
    return [["trial", ...figure.metrics, "front"], ...figure.rows.map((row, index) => [figure.numbers[index], ...row, front.has(figure.numbers[index]) ? "yes" : "no"])];
  },
};

// What the front dominates ends along its steps, not along straight lines.
function staircase(front, goalX, goalY) {
  const sorted = [...front].sort((one, other) => (goalX === "maximize" ? other[0] - one[0] : one[0] - other[0]));
  const line = [];
  for (const point of sorted) {
    if (line.length) line.push([point[0], line.at(-1)[1]]);
    line.push(point);
  }
  return goalY ? line : [];
}
