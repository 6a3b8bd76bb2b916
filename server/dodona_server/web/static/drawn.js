// What the figures have in common: text, axes, zoom, and how selected trials stand out.
import { mark, short } from "./look.js";

// For an axis whose ends are no round numbers.
export const ROUND = { axisLabel: { showMinLabel: false, showMaxLabel: false } };

export const grid = (more = {}) => ({ left: 16, right: 24, top: 44, bottom: 44, containLabel: true, ...more });

export function axis(colours, name, more = {}) {
  return {
    name,
    nameLocation: "middle",
    nameGap: 30,
    nameTextStyle: { color: colours.quiet, fontSize: 12 },
    axisLine: { show: true, lineStyle: { color: colours.line } },
    axisTick: { lineStyle: { color: colours.line } },
    axisLabel: { color: colours.quiet, fontSize: 12, hideOverlap: true, formatter: (value) => mark(value) },
    splitLine: { lineStyle: { color: colours.rule } },
    minorSplitLine: { show: false },
    ...more,
  };
}

// The y axis has its name above: a long one would not fit beside it.
export function upAxis(colours, name, more = {}) {
  const made = axis(colours, short(name, 40), { nameLocation: "end", nameGap: 14, nameTextStyle: { color: colours.quiet, fontSize: 12, align: "left" }, scale: true });
  return { ...made, ...more, axisLabel: { ...made.axisLabel, ...more.axisLabel } };
}

export function legend(colours, names) {
  return { data: names, top: 0, right: 8, icon: "circle", itemWidth: 9, itemHeight: 9, itemGap: 14, textStyle: { color: colours.quiet, fontSize: 12 }, inactiveColor: colours.line };
}

export function tooltip(colours, more = {}) {
  return {
    renderMode: "richText",
    confine: true,
    backgroundColor: colours.paper,
    borderColor: colours.line,
    textStyle: { color: colours.ink, fontSize: 12 },
    ...more,
  };
}

// Zoom by the buttons, the keys, a drawn rectangle, and the wheel with Ctrl: the wheel alone moves the page.
export function zoom(chosen, axes = ["x", "y"]) {
  const ranges = (chosen.zoom || "").split(",").map((range) => range.split("-").map(Number));
  return axes.map((name, index) => ({
    type: "inside",
    [`${name}AxisIndex`]: 0,
    filterMode: "none",
    zoomOnMouseWheel: "ctrl",
    moveOnMouseWheel: false,
    moveOnMouseMove: "shift",
    start: ranges[index]?.length === 2 && ranges[index][1] > ranges[index][0] ? ranges[index][0] : 0,
    end: ranges[index]?.length === 2 && ranges[index][1] > ranges[index][0] ? ranges[index][1] : 100,
  }));
}

export const drawnZoom = (axes = ["x", "y"]) => ({
  show: true,
  itemSize: 0,
  top: -40,
  feature: { dataZoom: { xAxisIndex: axes.includes("x") ? 0 : false, yAxisIndex: axes.includes("y") ? 0 : false, filterMode: "none" } },
});

// Selected points, above all others.
export function highlighted(colours, points) {
  return {
    name: "selected",
    type: "scatter",
    data: points,
    symbolSize: 13,
    z: 10,
    itemStyle: { color: "transparent", borderColor: colours.ink, borderWidth: 2.5 },
    tooltip: { show: false },
    silent: true,
  };
}

export const sizeFor = (count) => (count > 800 ? 4 : count > 150 ? 5.5 : 8);

// Axes of parameters as those of the page: names, or numbers with their scale.
export function parameterAxis(colours, given, make = axis, more = {}) {
  if (given.kind === "category") {
    return make(colours, short(given.name), { type: "category", data: given.categories, axisLabel: { color: colours.quiet, fontSize: 12, hideOverlap: true, width: 110, overflow: "truncate", formatter: (name) => short(name, 40) }, ...more });
  }
  const log = given.kind === "log";
  return make(colours, log ? `${short(given.name)} (log)` : short(given.name), { type: log ? "log" : "value", min: given.low, max: given.high > given.low ? given.high : null, scale: true, minInterval: given.whole ? 1 : undefined, ...more });
}

// Colours for values, from the worst to the best.
export function scale(colours, values, goal, dimension, more = {}) {
  const sorted = [...values].sort((one, other) => one - other);
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.round(share * (sorted.length - 1)))];
  // The worst tenth looks like the worst of the others, so that what is near the best can be told apart.
  const [low, high] = goal === "maximize" ? [at(0.1), at(1)] : [at(0), at(0.9)];
  return {
    type: "continuous",
    min: low,
    max: high > low ? high : low + 1,
    dimension,
    calculable: false,
    inRange: { color: goal === "maximize" ? colours.scale : [...colours.scale].reverse() },
    text: [mark(high), mark(low)],
    textStyle: { color: colours.quiet, fontSize: 12 },
    itemWidth: 10,
    itemHeight: 120,
    ...more,
  };
}
