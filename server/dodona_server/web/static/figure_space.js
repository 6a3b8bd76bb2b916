// Results over the search space: parallel coordinates, slices, contours, ranks, and how much each parameter matters.
import { axis, grid, highlighted, legend, parameterAxis, ROUND, scale, sizeFor, tooltip, upAxis } from "./drawn.js";
import { short, text } from "./look.js";

// In pixels; about as wide as the labels need.
const SLICE_WIDTH = 250;
const SLICE_HEIGHT = 235;
const LEAST_SLICE = 210;

const better = (goal) => (goal === "maximize" ? (one, other) => other - one : (one, other) => one - other);

export const parallel = {
  title: "Parallel coordinates",
  tools: [{ name: "scale", label: "Values", options: [["", "linear"], ["log", "logarithmic"]] }],
  width: (data) => 150 + 105 * (data.figure.axes.length + 1),
  height: () => 380,
  option({ figure }, chosen, colours, selected, width) {
    if (figure.values.length < 2 || !figure.axes.length) return null;
    const log = chosen.scale === "log" && figure.values.every((value) => value > 0);
    const columns = figure.axes.length;
    const place = { areaSelectStyle: { width: 18, borderWidth: 1, borderColor: colours.accent, color: colours.accent, opacity: 0.25 } };
    // A letter is about 7 pixels wide; the first name begins at its axis, for it has no room on its left.
    const most = Math.max(16, Math.min(40, Math.floor((width - 120) / columns / 7) - 2));
    const halo = { textBorderColor: colours.paper, textBorderWidth: 3 };
    const axes = figure.axes.map((given, dim) => {
      const made = parameterAxis(colours, given, axis, { scale: undefined });
      return { ...made, dim, nameLocation: "end", nameGap: 14, nameRotate: 0, name: short(made.name, most), nameTextStyle: { ...made.nameTextStyle, align: dim ? "center" : "left" }, axisLabel: { ...made.axisLabel, ...halo, width: 74, overflow: "truncate" }, ...place };
    });
    const values = [...figure.values].sort((one, other) => one - other);
    const last = axis(colours, short(figure.metric, 16));
    axes.push({ ...last, axisLabel: { ...last.axisLabel, ...halo }, dim: columns, nameLocation: "end", nameGap: 14, type: log ? "log" : "value", min: values[0], max: values.at(-1) > values[0] ? values.at(-1) : null, ...place });
    const ranked = [...figure.values].sort(better(figure.goal));
    const top = ranked[Math.floor(ranked.length / 10)];
    const order = figure.values.map((_, index) => index).sort((one, other) => better(figure.goal)(figure.values[other], figure.values[one]));
    const any = selected.size > 0;
    const isTop = (value) => better(figure.goal)(value, top) <= 0;
    return {
      parallel: { left: 50, right: 70, top: 46, bottom: 26, axisExpandable: false, parallelAxisDefault: { inverse: false } },
      parallelAxis: axes,
      visualMap: { ...scale(colours, figure.values, figure.goal, columns), show: false },
      tooltip: tooltip(colours, { formatter: ({ data }) => `Trial ${data.number}: ${text(data.value.at(-1))}` }),
      series: [{
        type: "parallel",
        lineStyle: { width: 1.2, opacity: 0.45 },
        inactiveOpacity: 0.06,
        activeOpacity: 0.8,
        progressive: 0,
        emphasis: { lineStyle: { width: 3, opacity: 1 } },
        data: order.map((index) => {
          const number = figure.numbers[index];
          const value = [...figure.rows[index].map((one) => one ?? "-"), figure.values[index]];
          const chosenOne = selected.has(number);
          const style = chosenOne ? { width: 2.5, opacity: 1 } : any ? { opacity: 0.12 } : isTop(figure.values[index]) ? { width: 2, opacity: 0.95 } : {};
          return { value, number, lineStyle: style };
        }),
      }],
    };
  },
  // The brushed lines are the selected trials.
  brushed(chart, { figure }) {
    const model = chart.getModel();
    const series = model.getSeriesByIndex(0);
    const axes = model.queryComponents({ mainType: "parallelAxis" });
    const intervals = Object.fromEntries(axes.map((one) => [one.componentIndex, one.activeIntervals]).filter(([, given]) => given?.length));
    const active = Object.keys(intervals).length ? series.getRawIndicesByActiveState("active") : [];
    return { numbers: active.map((index) => series.getData().getRawDataItem(index).number), intervals, filter: filterOf(figure, intervals) };
  },
  note: ({ figure, trials, read }) => `${read < trials || figure.values.length < figure.total ? `${figure.values.length.toLocaleString("en")} of ${trials.toLocaleString("en")} trials, the best ones among them. ` : ""}Drag along an axis to select trials. The stronger the colour, the better; the best tenth is bold.`,
  rows({ figure }) {
    return [["trial", ...figure.axes.map((one) => one.name), figure.metric], ...figure.rows.map((row, index) => [figure.numbers[index], ...row, figure.values[index]])];
  },
};

// The brushed ranges as a filter of the table of trials, which has all trials of the study.
function filterOf(figure, intervals) {
  return Object.entries(intervals).map(([dim, ranges]) => {
    const given = figure.axes[dim];
    const name = given ? `parameters[${JSON.stringify(given.name)}]` : `metrics[${JSON.stringify(figure.metric)}]`;
    if (given?.kind !== "category") return `(${ranges.map(([low, high]) => `${digits(low)} <= ${name} <= ${digits(high)}`).join(" or ")})`;
    const names = given.categories.filter((_, index) => ranges.some(([low, high]) => low <= index && index <= high));
    return `${name} in ${JSON.stringify(names)}`;
  }).join(" and ");
}

const digits = (value) => Number(value.toPrecision(6));

export const slices = {
  title: "Slices",
  tools: [],
  width: () => 0,
  height: ({ figure }, width) => Math.ceil(figure.panels.length / columnsFor(figure, width)) * SLICE_HEIGHT + 10,
  option({ figure }, chosen, colours, selected, width) {
    if (!figure.panels.some((panel) => panel.y.length)) return null;
    const columns = columnsFor(figure, width);
    const option = { grid: [], xAxis: [], yAxis: [], series: [] };
    const all = figure.panels.flatMap((panel) => panel.numbers);
    const last = Math.max(...all);
    const results = figure.panels.flatMap((panel) => panel.y);
    const [low, high] = [Math.min(...results), Math.max(...results)];
    const margin = 0.05 * (high - low || 1);
    figure.panels.forEach((panel, index) => {
      const [column, row] = [index % columns, Math.floor(index / columns)];
      option.grid.push({ left: `${(100 * column) / columns + 1}%`, width: `${100 / columns - (columns > 1 ? 3 : 6)}%`, top: row * SLICE_HEIGHT + 30, height: SLICE_HEIGHT - 80, containLabel: true });
      option.xAxis.push({ ...parameterAxis(colours, panel.axis), gridIndex: index });
      option.yAxis.push({ ...upAxis(colours, column ? "" : figure.metric, { min: low - margin, max: high + margin, ...ROUND }), gridIndex: index });
      const points = panel.x.map((x, at) => ({ value: [x, panel.y[at], panel.numbers[at]], number: panel.numbers[at] }));
      option.series.push({ type: "scatter", name: panel.axis.name, xAxisIndex: index, yAxisIndex: index, data: points, symbolSize: Math.min(6, sizeFor(points.length)), itemStyle: { opacity: 0.75 } });
      option.series.push({ ...highlighted(colours, points.filter((point) => selected.has(point.number))), xAxisIndex: index, yAxisIndex: index, symbolSize: 11 });
    });
    return {
      ...option,
      tooltip: tooltip(colours, { formatter: ({ data, seriesName }) => `Trial ${data.number}\n${short(seriesName)}: ${text(data.value[0])}\n${short(figure.metric)}: ${text(data.value[1])}` }),
      visualMap: { show: false, type: "continuous", dimension: 2, min: 1, max: Math.max(2, last), seriesIndex: figure.panels.map((_, index) => 2 * index), inRange: { color: [colours.marks.succeeded, colours.accent] } },
    };
  },
  note: () => "Later trials are greener.",
  rows({ figure }) {
    return [["parameter", "trial", "value", figure.metric], ...figure.panels.flatMap((panel) => panel.x.map((x, index) => [panel.axis.name, panel.numbers[index], x, panel.y[index]]))];
  },
};

// As many as fit, with rows of about the same length.
function columnsFor({ panels }, width) {
  const most = Math.max(1, Math.floor(width / (width < 600 ? LEAST_SLICE : SLICE_WIDTH)));
  return Math.max(1, Math.ceil(panels.length / Math.ceil(panels.length / most)));
}

const PAIR = [{ name: "x", label: "x", fetched: true, parameters: true }, { name: "y", label: "y", fetched: true, parameters: true }];

function pairTooltip(colours, figure) {
  return tooltip(colours, { formatter: ({ data }) => (data?.number ? `Trial ${data.number}\n${short(figure.x_axis.name)}: ${text(data.value[0])}\n${short(figure.y_axis.name)}: ${text(data.value[1])}\n${short(figure.metric)}: ${text(data.real)}` : "") });
}

export const contour = {
  title: "Contour",
  tools: PAIR,
  option({ figure }, chosen, colours, selected) {
    if (!figure.values.length) return null;
    const cells = figure.grid.flatMap((row, y) => row.map((value, x) => [x, y, value])).filter((cell) => cell[2] !== null);
    const points = figure.numbers.map((number, index) => ({ value: [figure.x[index], figure.y[index]], number, real: figure.values[index] }));
    const bands = { show: false, axisTick: { show: false }, splitLine: { show: false } };
    return {
      grid: grid({ right: 72 }),
      tooltip: pairTooltip(colours, figure),
      // The surface has equal cells on hidden axes; the points lie above it on the real ones.
      xAxis: [parameterAxis(colours, figure.x_axis, axis, { splitLine: { show: false } }), { type: "category", data: figure.grid_x.map(String), ...bands }],
      yAxis: [parameterAxis(colours, figure.y_axis, upAxis, { splitLine: { show: false } }), { type: "category", data: figure.grid_y.map(String), ...bands }],
      visualMap: { ...scale(colours, cells.length ? cells.map((cell) => cell[2]) : figure.values, figure.goal, 2, { right: 0, top: "middle", seriesIndex: 0 }) },
      series: [
        { name: "smoothed", type: "heatmap", xAxisIndex: 1, yAxisIndex: 1, data: cells, silent: true, progressive: 0, itemStyle: { borderWidth: 0 } },
        { name: "trials", type: "scatter", data: points, symbolSize: Math.min(6, sizeFor(points.length)), itemStyle: { color: colours.paper, borderColor: colours.ink, borderWidth: 1 } },
        highlighted(colours, points.filter((point) => selected.has(point.number))),
      ],
    };
  },
  note: ({ figure }) => `The colour is ${short(figure.metric, 40)}, a mean of the results around, weighted by nearness; ${figure.goal === "maximize" ? "larger" : "smaller"} is better. Dots are trials.`,
  rows: pairRows,
};

export const rank = {
  title: "Rank",
  tools: PAIR,
  option({ figure }, chosen, colours, selected) {
    if (!figure.values.length) return null;
    const points = figure.numbers.map((number, index) => ({ value: [figure.x[index], figure.y[index], figure.ranks[index]], number, real: figure.values[index] }));
    return {
      grid: grid({ right: 72 }),
      tooltip: pairTooltip(colours, figure),
      xAxis: parameterAxis(colours, figure.x_axis),
      yAxis: parameterAxis(colours, figure.y_axis, upAxis),
      visualMap: { type: "continuous", min: 0, max: 1, dimension: 2, seriesIndex: 0, inRange: { color: [...colours.scale].reverse() }, text: ["worst", "best"], textStyle: { color: colours.quiet, fontSize: 12 }, itemWidth: 10, itemHeight: 120, right: 0, top: "middle", calculable: false },
      series: [
        { name: "trials", type: "scatter", data: points, symbolSize: sizeFor(points.length) + 3, itemStyle: { borderColor: colours.line, borderWidth: 0.5 } },
        highlighted(colours, points.filter((point) => selected.has(point.number)).map((point) => ({ ...point, value: point.value.slice(0, 2) }))),
      ],
    };
  },
  note: () => "The colour is the rank of the result among all of them.",
  rows: pairRows,
};

function pairRows({ figure }) {
  return [["trial", figure.x_axis.name, figure.y_axis.name, figure.metric], ...figure.numbers.map((number, index) => [number, figure.x[index], figure.y[index], figure.values[index]])];
}

export const importance = {
  title: "Importance of the parameters",
  tools: [],
  height: ({ figure }) => Math.max(160, 90 + 34 * figure.parameters.length),
  option({ figure }, chosen, colours) {
    if (!figure.parameters.length) return null;
    const shown = [...figure.parameters].reverse();
    return {
      grid: grid({ left: 16, right: 40, top: 40 }),
      legend: legend(colours, ["alone", "90% interval", "with interactions"]),
      tooltip: tooltip(colours, { trigger: "axis", axisPointer: { type: "shadow" }, formatter: (series) => sentence(shown[series[0].dataIndex]) }),
      xAxis: axis(colours, `share of the variance of ${short(figure.metric, 30)}`, { type: "value", min: 0, max: 1, axisLabel: { color: colours.quiet, fontSize: 12, formatter: percent } }),
      yAxis: { ...axis(colours, ""), type: "category", data: shown.map((one) => short(one.name, 30)), axisLabel: { color: colours.ink, fontSize: 12, width: 150, overflow: "truncate" }, splitLine: { show: false } },
      series: [
        { name: "alone", type: "bar", data: shown.map((one) => one.share), barMaxWidth: 14, itemStyle: { color: colours.accent, borderRadius: 2 } },
        { name: "with interactions", type: "scatter", data: shown.map((one) => one.total), symbol: "diamond", symbolSize: 9, itemStyle: { color: colours.marks.running } },
        { name: "90% interval", type: "custom", renderItem: whisker(colours), encode: { x: [1, 2], y: 0 }, data: shown.map((one, index) => [index, one.low, one.high]), z: 5, itemStyle: { color: colours.ink } },
      ],
    };
  },
  rows({ figure }) {
    return [["parameter", "share", "low", "high", "with interactions", "trials"], ...figure.parameters.map((one) => [one.name, one.share, one.low, one.high, one.total, one.trials])];
  },
  note: ({ figure }) => figure.note || `Of ${figure.trials} trials. The bar is what the parameter explains alone, the diamond with what it does together with others.`,
};

const percent = (share) => `${Math.round(100 * share)}%`;
const sentence = (one) => `${short(one.name, 40)}: ${percent(one.share)} (${percent(one.low)} to ${percent(one.high)}), with interactions ${percent(one.total)}`;

function whisker(colours) {
  return (_, api) => {
    const [from, to] = [api.coord([api.value(1), api.value(0)]), api.coord([api.value(2), api.value(0)])];
    const line = (x1, y1, x2, y2) => ({ type: "line", shape: { x1, y1, x2, y2 }, style: { stroke: colours.ink, lineWidth: 1.5 } });
    return { type: "group", children: [line(from[0], from[1], to[0], to[1]), line(from[0], from[1] - 4, from[0], from[1] + 4), line(to[0], to[1] - 4, to[0], to[1] + 4)] };
  };
}

