// Which worker held which trial: attempts, lost leases, idle time.
import { axis, drawnZoom, grid, legend, tooltip, zoom } from "./drawn.js";
import { lasting, short, WORDS } from "./look.js";

const ROW = 30;
const MOST_WORKERS = 40;

function workersOf(figure) {
  return figure.workers.slice(-MOST_WORKERS);
}

export const timeline = {
  title: "Workers over time",
  tools: [],
  height: ({ figure }) => 110 + ROW * Math.max(1, workersOf(figure).length),
  option({ figure }, chosen, colours, selected) {
    const workers = workersOf(figure);
    if (!figure.bars.length) return null;
    const row = new Map(workers.map((worker, index) => [worker.name, workers.length - 1 - index]));
    const bars = figure.bars.filter((bar) => row.has(bar.worker));
    const outcomes = ["succeeded", "stopped", "failed", "lost", "running"].filter((one) => bars.some((bar) => bar.outcome === one));
    const idle = workers.map((worker) => `${short(worker.name || "no name", 18)}`).reverse();
    return {
      grid: grid({ top: 40, right: 96 }),
      legend: { ...legend(colours, outcomes.map((one) => WORDS[one])), icon: "roundRect" },
      tooltip: tooltip(colours, { formatter: ({ data }) => said(data.bar) }),
      xAxis: { ...axis(colours, "time in your zone", { type: "time" }), axisLabel: { color: colours.quiet, fontSize: 12, hideOverlap: true }, min: 1000 * figure.start, max: 1000 * figure.end },
      yAxis: [
        { ...axis(colours, ""), type: "category", data: idle, splitLine: { show: false }, axisLabel: { color: colours.ink, fontSize: 12 } },
        { ...axis(colours, ""), type: "category", position: "right", data: workers.map((worker) => `${Math.round((100 * worker.idle) / Math.max(1e-9, worker.busy + worker.idle))}% idle`).reverse(), axisLine: { show: false }, axisTick: { show: false }, splitLine: { show: false }, axisLabel: { color: colours.quiet, fontSize: 12 } },
      ],
      dataZoom: zoom(chosen, ["x"]),
      toolbox: drawnZoom(["x"]),
      series: [
        ...outcomes.map((outcome) => ({
          name: WORDS[outcome],
          type: "custom",
          renderItem: barOf(colours, selected),
          encode: { x: [1, 2], y: 0 },
          itemStyle: { color: colours.marks[outcome] },
          data: bars.filter((bar) => bar.outcome === outcome).map((bar) => ({ value: [row.get(bar.worker), 1000 * bar.start, 1000 * bar.end, bar.number], number: bar.number, bar })),
        })),
        // The axis on the right appears only beside a series of its own.
        { type: "custom", yAxisIndex: 1, data: [], renderItem: () => null },
      ],
    };
  },
  note({ figure }) {
    const lost = figure.workers.reduce((sum, worker) => sum + worker.lost, 0);
    const parts = [figure.bars.length < figure.total ? `The latest ${figure.bars.length} of ${figure.total} attempts.` : "", figure.workers.length > MOST_WORKERS ? `The latest ${MOST_WORKERS} of ${figure.workers.length} workers.` : "", lost ? `${lost} ${lost === 1 ? "lease was" : "leases were"} lost.` : ""];
    return parts.filter(Boolean).join(" ");
  },
  rows({ figure }) {
    return [["worker", "trial", "attempt", "start", "end", "outcome"], ...figure.bars.map((bar) => [bar.worker, bar.number, bar.attempt, new Date(1000 * bar.start).toISOString(), new Date(1000 * bar.end).toISOString(), bar.outcome])];
  },
};

function said(bar) {
  return `Trial ${bar.number}${bar.attempt > 1 ? `, attempt ${bar.attempt}` : ""}: ${WORDS[bar.outcome]} after ${lasting(bar.end - bar.start)}\n${short(bar.worker || "no name", 40)}`;
}

function barOf(colours, selected) {
  return (params, api) => {
    const [x, y] = api.coord([api.value(1), api.value(0)]);
    const end = api.coord([api.value(2), api.value(0)])[0];
    const height = Math.min(16, 0.6 * api.size([0, 1])[1]);
    const { x: left, width } = params.coordSys;
    const [from, to] = [Math.max(x, left), Math.min(Math.max(end, x + 2), left + width)];
    if (to <= left || from >= left + width) return null;
    const chosenOne = selected.has(api.value(3));
    return { type: "rect", shape: { x: from, y: y - height / 2, width: Math.max(1, to - from - 1), height, r: 2 }, style: { fill: api.visual("color"), stroke: chosenOne ? colours.ink : undefined, lineWidth: chosenOne ? 2.5 : 0 } };
  };
}
