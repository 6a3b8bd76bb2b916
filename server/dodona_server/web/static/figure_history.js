// Results by trial, time or compute time, with the best so far; several studies beside each other; distributions.
import { axis, drawnZoom, grid, highlighted, legend, ROUND, sizeFor, tooltip, upAxis, zoom } from "./drawn.js";
import { mark, short, text, unitOf, WORDS } from "./look.js";

const BY = { name: "by", label: "By", fetched: true, options: [["", "trial"], ["time", "time"], ["compute", "compute time"]] };
const SCALES = {
  name: "scale",
  label: "Values",
  options: [["", "all"], ["best", "best quarter"], ["log", "logarithmic"], ["gap", "distance from the best"]],
};

// With fewer values none is an outlier; of lines, the first values are far from the others.
const LEAST_POINTS = 20;
const LEAST_STEPS = 6;

// Returns how values are placed, the title and the type of their axis, and its range.
function scaleOf(values, goal, chosen, name, least) {
  const sign = goal === "maximize" ? 1 : -1;
  const sorted = [...values].sort((one, other) => sign * (other - one));
  const [best, worst] = [sorted[0], sorted.at(-1)];
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))];
  const range = (end) => (sign > 0 ? { min: end } : { max: end });
  if (chosen === "gap") {
    const least = Math.min(...sorted.map((one) => Math.abs(best - one)).filter((gap) => gap > 0), Infinity);
    // The best itself has no logarithm: it lies below all others.
    const floor = Number.isFinite(least) ? least / 3 : 1;
    return { place: (value) => Math.max(Math.abs(best - value), floor), title: `distance of ${short(name, 20)} from ${text(best)} (log)`, more: { type: "log" } };
  }
  if (chosen === "log" && Math.min(best, worst) > 0) return { place: (value) => value, title: `${name} (log)`, more: { type: "log" } };
  let end = worst;
  if (chosen === "best" && sorted.length > 4) end = at(0.25);
  else if (sorted.length > least && Math.abs(best - worst) > 5 * Math.abs(best - at(0.75))) end = best - 3 * (best - at(0.75));
  const beyond = (value) => sign * (end - value) > 0;
  const title = end === worst ? name : `${name}; worse ones at the edge`;
  const margin = 0.04 * Math.abs(best - end);
  const limits = end === worst ? {} : { ...ROUND, ...range(end - sign * margin), ...(sign > 0 ? { max: best + margin } : { min: best - margin }) };
  return { place: (value) => (beyond(value) ? end : value), title, more: limits };
}

// Returns the axis of x, and its unit in seconds.
function across(colours, figure, most) {
  if (figure.by === "trial") return { length: 1, made: axis(colours, "trial", { type: "value", minInterval: 1, min: 0 }) };
  const { unit, length } = unitOf(most);
  return { length, made: axis(colours, `${figure.x_title} (${unit})`, { type: "value", min: 0 }) };
}

function steps(best, place, length) {
  if (!best.x.length) return [];
  const line = best.x.map((x, index) => [x / length, place(best.y[index])]);
  return [...line, [Math.max(best.end, best.x.at(-1)) / length, line.at(-1)[1]]];
}

// Failed trials have no value: a triangle on the x axis.
function atTheBottom(params, api) {
  const { x: left, y: top, width, height } = params.coordSys;
  const [x] = api.coord([api.value(0), 0]);
  const y = top + height;
  if (x < left || x > left + width) return null;
  return { type: "polygon", shape: { points: [[x - 4, y], [x + 4, y], [x, y - 7]] }, style: { fill: api.visual("color") } };
}

export const history = {
  title: "History",
  tools: [BY, SCALES],
  option({ figure }, chosen, colours, selected) {
    const { points, best, failed } = figure;
    if (!points.x.length) return null;
    const { place, title, more } = scaleOf(points.y, figure.goal, chosen.scale, figure.metric, LEAST_POINTS);
    const { length, made } = across(colours, figure, Math.max(best.end, ...points.x.slice(-1)));
    const rows = points.x.map((x, index) => ({ value: [x / length, place(points.y[index])], number: points.numbers[index], real: points.y[index], mark: points.marks[index] }));
    const marks = ["succeeded", "stopped"].filter((one) => points.marks.includes(one));
    const size = sizeFor(rows.length);
    const series = marks.map((one) => ({
      name: WORDS[one],
      type: "scatter",
      data: rows.filter((row) => row.mark === one),
      symbol: one === "stopped" ? "diamond" : "circle",
      symbolSize: size,
      itemStyle: { color: colours.marks[one], opacity: 0.75 },
    }));
    series.push({ name: "best so far", type: "line", step: "end", data: steps(best, place, length), symbol: "none", lineStyle: { color: colours.accent, width: 2 }, itemStyle: { color: colours.accent }, z: 5, tooltip: { show: false } });
    if (failed.x.length) {
      const reasons = failed.x.map((x, index) => ({ value: [x / length], number: failed.numbers[index], reason: failed.reasons[index] }));
      series.push({ name: WORDS.failed, type: "custom", renderItem: atTheBottom, encode: { x: 0 }, data: reasons, itemStyle: { color: colours.marks.failed } });
    }
    series.push(highlighted(colours, rows.filter((row) => selected.has(row.number))));
    return {
      grid: grid(),
      legend: legend(colours, series.slice(0, -1).map((one) => one.name)),
      tooltip: tooltip(colours, { formatter: ({ data }) => (data.reason === undefined ? `Trial ${data.number}: ${text(data.real)}${data.mark === "stopped" ? ", stopped early" : ""}` : `Trial ${data.number} failed: ${short(data.reason || "no reason", 60)}`) }),
      xAxis: made,
      yAxis: upAxis(colours, title, more),
      dataZoom: zoom(chosen),
      toolbox: drawnZoom(),
      series,
    };
  },
  note({ figure, trials, read }) {
    const drawn = figure.points.x.length;
    return read < trials ? `${drawn.toLocaleString("en")} of ${trials.toLocaleString("en")} trials are drawn, the best of each part of the study among them.` : drawn < figure.total ? `${drawn.toLocaleString("en")} of ${figure.total.toLocaleString("en")} results are drawn, all improvements among them.` : "";
  },
  rows({ figure: { metric, points, x_title, x_unit } }) {
    return [["trial", x_unit ? `${x_title} (${x_unit})` : "x", metric, "state"], ...points.x.map((x, index) => [points.numbers[index], x, points.y[index], points.marks[index]])];
  },
};

export const compare = {
  title: "Best so far",
  tools: [{ ...BY, fetched: true }, SCALES],
  option({ figure }, chosen, colours) {
    const known = figure.studies.filter((one) => one.best.x.length);
    if (!known.length) return null;
    const { place, title, more } = scaleOf(known.flatMap((one) => one.best.y), figure.goal, chosen.scale, figure.metric, LEAST_STEPS);
    const { length, made } = across(colours, figure, Math.max(...known.map((one) => one.best.end)));
    const series = known.map((one) => ({
      name: one.study,
      type: "line",
      step: "end",
      data: steps(one.best, place, length).map((value, index) => ({ value, study: one.study, number: one.best.numbers[index], real: one.best.y[index] ?? one.best.y.at(-1) })),
      symbolSize: 7,
      showSymbol: one.best.x.length < 60,
      color: colours.series[figure.studies.indexOf(one) % colours.series.length],
      lineStyle: { width: 2, type: figure.studies.indexOf(one) < colours.series.length ? "solid" : "dashed" },
    }));
    return {
      grid: grid({ top: 60 }),
      legend: { ...legend(colours, series.map((one) => one.name)), type: "scroll", left: 0, icon: "roundRect", formatter: (name) => short(name, 30) },
      tooltip: tooltip(colours, { formatter: ({ data }) => `${short(data.study, 40)}${data.number ? `, trial ${data.number}` : ""}: ${text(data.real)}` }),
      xAxis: made,
      yAxis: upAxis(colours, title, more),
      dataZoom: zoom(chosen),
      toolbox: drawnZoom(),
      series,
    };
  },
  rows({ figure }) {
    return [["study", "trial", figure.x_unit ? `${figure.x_title} (${figure.x_unit})` : "x", figure.metric], ...figure.studies.flatMap((one) => one.best.x.map((x, index) => [one.study, one.best.numbers[index], x, one.best.y[index]]))];
  },
};

export const edf = {
  title: "Distribution of results",
  tools: [],
  option({ figure }, chosen, colours) {
    const lines = figure.lines.filter((line) => line.x.length);
    if (!lines.length) return null;
    return {
      grid: grid(),
      tooltip: tooltip(colours, { trigger: "axis", axisPointer: { lineStyle: { color: colours.line } }, formatter: ([first]) => `${Math.round(100 * first.data[1])}% of the trials have at most ${text(first.data[0])}` }),
      xAxis: axis(colours, short(figure.metric, 40), { type: "value", scale: true }),
      yAxis: upAxis(colours, "share of trials with at most that value", { min: 0, max: 1, axisLabel: { formatter: (share) => `${Math.round(100 * share)}%` } }),
      dataZoom: zoom(chosen),
      toolbox: drawnZoom(),
      series: lines.map((line, index) => ({ name: line.study, type: "line", step: "end", data: line.x.map((x, at) => [x, line.y[at]]), symbol: "none", lineStyle: { width: 2 }, color: colours.series[index % colours.series.length] })),
    };
  },
  rows({ figure }) {
    return [["study", figure.metric, "share"], ...figure.lines.flatMap((line) => line.x.map((x, index) => [line.study, x, line.y[index]]))];
  },
};

export const hypervolume = {
  title: "Hypervolume",
  tools: [],
  option({ figure }, chosen, colours) {
    if (!figure.numbers.length) return null;
    const line = figure.numbers.map((number, index) => [number, figure.values[index]]);
    return {
      grid: grid(),
      tooltip: tooltip(colours, { trigger: "axis", axisPointer: { lineStyle: { color: colours.line } }, formatter: ([first]) => `up to trial ${first.data[0]}: ${text(first.data[1])}` }),
      xAxis: axis(colours, "trial", { type: "value", min: 0, minInterval: 1 }),
      yAxis: upAxis(colours, "share of the box that the front dominates", { min: 0, max: 1 }),
      dataZoom: zoom(chosen, ["x"]),
      toolbox: drawnZoom(["x"]),
      series: [{ name: "hypervolume", type: "line", step: "end", data: [...line, [figure.end, line.at(-1)[1]]], symbol: "none", lineStyle: { color: colours.accent, width: 2 } }],
    };
  },
  note: ({ figure }) => `The box is between the best and the worst values: ${figure.metrics.map((name, index) => `${name} up to ${mark(figure.reference[index])}`).join(", ")}.${figure.sampled ? " The values are estimates, to about 1 percent." : ""}`,
  rows({ figure }) {
    return [["trial", "hypervolume"], ...figure.numbers.map((number, index) => [number, figure.values[index]])];
  },
};

