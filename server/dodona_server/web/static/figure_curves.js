// Learning curves of trials; stopped ones are dashed.
import { axis, drawnZoom, grid, legend, tooltip, upAxis, zoom } from "./drawn.js";
import { text, unitOf, WORDS } from "./look.js";

// The server sends no more; fewer are all that have a curve.
const MOST = 150;
const NAMES = { ...WORDS, best: "best trial" };
const SMOOTHINGS = { weak: 0.6, strong: 0.9 };

// The exponential moving average, without the bias of its start; as `dodona_figures.smoothed`.
function smoothed(values, weight) {
  let [average, known] = [0, 0];
  return values.map((value) => {
    average = weight * average + (1 - weight) * value;
    known = weight * known + (1 - weight);
    return average / known;
  });
}

const kindOf = (line) => (line.best ? "best" : line.mark);

export const curves = {
  title: "Learning curves",
  tools: [
    { name: "by", label: "By", fetched: true, options: [["", "step"], ["time", "time"]] },
    { name: "scale", label: "Values", options: [["", "linear"], ["log", "logarithmic"]] },
    { name: "smooth", label: "Smoothing", options: [["", "none"], ["weak", "weak"], ["strong", "strong"]] },
  ],
  option({ figure }, chosen, colours, selected) {
    if (!figure.lines.some((line) => line.x.length > 1)) return null;
    const log = chosen.scale === "log" && figure.lines.every((line) => line.y.every((value) => value > 0));
    const timed = figure.x_unit === "s";
    const { unit, length } = timed ? unitOf(Math.max(...figure.lines.map((line) => line.x.at(-1) ?? 0))) : { unit: "", length: 1 };
    const colourOf = { ...colours.marks, best: colours.accent };
    const order = ["succeeded", "failed", "stopped", "running", "best"];
    const present = order.filter((kind) => figure.lines.some((line) => kindOf(line) === kind));
    const any = selected.size && figure.lines.some((line) => selected.has(line.number));
    const lines = [...figure.lines].sort((one, other) => order.indexOf(kindOf(one)) - order.indexOf(kindOf(other)));
    return {
      grid: grid(),
      legend: { ...legend(colours, present.map((kind) => NAMES[kind])), icon: "roundRect" },
      tooltip: tooltip(colours, { formatter: ({ seriesId, data }) => `Trial ${seriesId.slice(1)}, ${timed ? `${text(data[0])} ${unit}` : `step ${data[0]}`}: ${text(data[1])}` }),
      xAxis: axis(colours, timed ? `${figure.x_title} (${unit})` : figure.x_title, { type: "value", min: 0, minInterval: timed ? 0 : 1 }),
      yAxis: upAxis(colours, log ? `${figure.metric} (log)` : figure.metric, { type: log ? "log" : "value" }),
      dataZoom: zoom(chosen),
      toolbox: drawnZoom(),
      series: lines.map((line) => {
        const kind = kindOf(line);
        const chosenOne = selected.has(line.number);
        const y = chosen.smooth in SMOOTHINGS ? smoothed(line.y, SMOOTHINGS[chosen.smooth]) : line.y;
        return {
          id: `t${line.number}`,
          name: NAMES[kind],
          type: "line",
          data: line.x.map((x, index) => [x / length, y[index]]),
          color: chosenOne ? colours.ink : colourOf[kind],
          showSymbol: line.x.length === 1 || chosenOne,
          symbol: "circle",
          symbolSize: 5,
          z: chosenOne ? 6 : kind === "best" ? 5 : kind === "running" ? 4 : 2,
          lineStyle: { width: chosenOne ? 3 : kind === "best" ? 2.5 : 1.4, type: kind === "stopped" ? [5, 4] : "solid", opacity: chosenOne || kind === "best" || kind === "running" ? 1 : any ? 0.2 : 0.6 },
          emphasis: { focus: "series", lineStyle: { width: 3 } },
          triggerLineEvent: true,
        };
      }),
    };
  },
  numberOf: (params) => Number(params.seriesId?.slice(1)),
  note: ({ figure, trials }) => (trials > MOST && figure.lines.length < trials ? `Curves of ${figure.lines.length.toLocaleString("en")} of ${trials.toLocaleString("en")} trials: the best, those that run, and evenly chosen others.` : ""),
  rows({ figure }) {
    return [["trial", "state", figure.x_unit ? `${figure.x_title} (${figure.x_unit})` : figure.x_title, figure.metric], ...figure.lines.flatMap((line) => line.x.map((x, index) => [line.number, line.mark, x, line.y[index]]))];
  },
};
