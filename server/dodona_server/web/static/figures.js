// The figures of a page. Each is drawn when it comes into view, and again when what it shows has changed.
import { savePicture, saveDrawing, saveTable } from "./exporting.js";
import { curves } from "./figure_curves.js";
import { pareto } from "./figure_front.js";
import { compare, edf, history, hypervolume } from "./figure_history.js";
import { contour, importance, parallel, rank, slices } from "./figure_space.js";
import { timeline } from "./figure_timeline.js";
import { look } from "./look.js";
import { at } from "./root.js";
import { filterTable, select, selected, toggle } from "./selection.js";
import { read, write } from "./state.js";
import { toolsOf } from "./tools.js";

const KINDS = { history, curves, parallel, slices, contour, rank, importance, pareto, hypervolume, edf, timeline, compare };
const HEIGHT = 340;
// A figure is fetched at most this often, whatever happens in the study.
const PAUSE = 5000;
const STEP = 0.15;
const NARROW = 520;
let loading = null;
const library = () => (loading ??= import("./echarts.min.js"));

class Figure {
  constructor(section) {
    this.section = section;
    this.name = section.dataset.figure;
    this.kind = KINDS[this.name];
    this.place = section.querySelector(".drawing");
    this.chosen = Object.fromEntries([...this.kind.tools.map((tool) => tool.name), "zoom", "brush"].map((name) => [name, read(`${this.name}.${name}`)]));
    this.text = "";
    this.data = null;
    this.chart = null;
    this.stale = true;
    this.visible = false;
    this.fetched = 0;
    this.timer = 0;
  }

  get address() {
    const query = new URLSearchParams(this.section.dataset.query ?? "");
    const metric = new URLSearchParams(location.search).get("metric");
    if (metric) query.set("metric", metric);
    for (const tool of this.kind.tools) if (tool.fetched && this.chosen[tool.name]) query.set(tool.name, this.chosen[tool.name]);
    return `${this.section.dataset.source}${query.size ? `?${query}` : ""}`;
  }

  choose(name, value) {
    this.chosen[name] = value;
    write(`${this.name}.${name}`, value);
  }

  see(visible) {
    this.visible = visible;
    if (visible && this.stale) this.update();
    else if (visible && this.chart) this.chart.resize();
  }

  // The study has changed; a mark says that other pages heard of it too.
  changed(mark) {
    this.stale = true;
    clearTimeout(this.timer);
    if (!this.visible) return;
    const pause = mark ? Math.max(0, this.fetched + PAUSE - Date.now()) : 0;
    this.timer = setTimeout(() => this.update(mark), pause);
  }

  async update(mark = "") {
    this.stale = false;
    this.fetched = Date.now();
    try {
      const answer = await fetch(at(this.address), { headers: { Accept: "application/json", ...(mark && { "Dodona-Mark": mark }) } });
      if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
      const text = await answer.text();
      if (text === this.text) return;
      this.data = JSON.parse(text);
      this.text = text;
      await this.draw();
    } catch (error) {
      this.stale = true;
      if (!this.chart) this.say(`This figure cannot be shown: ${error.message}.`);
    }
  }

  say(note) {
    let place = this.section.querySelector(".note");
    if (!place) {
      place = document.createElement("p");
      place.className = "note quiet";
      place.toggleAttribute("data-own", true);
      this.place.after(place);
    }
    place.textContent = note;
    place.hidden = !note;
  }

  option() {
    const width = this.place.clientWidth;
    const option = this.data.figure && this.kind.option(this.data, this.chosen, this.colours, selected(), width);
    // Beside each other, the names of a legend would not fit a phone.
    if (option?.legend && width < NARROW) Object.assign(option.legend, { type: "scroll", left: 0, right: 0 });
    return option && { animation: false, textStyle: { fontFamily: this.colours.font }, ...option };
  }

  async draw() {
    const echarts = await library();
    this.colours = look();
    this.section.toggleAttribute("data-kept-drawn", true);
    toolsOf(this);
    if (this.kind.width) this.place.style.minWidth = `${this.data.figure ? this.kind.width(this.data) : 0}px`;
    const option = this.option();
    this.say((option ? this.kind.note?.(this.data) : this.data.note || this.data.figure?.note || "No result yet.") ?? "");
    this.place.hidden = !option;
    if (!option) return;
    this.height = this.kind.height?.(this.data, this.place.clientWidth) ?? HEIGHT;
    this.place.style.height = `${this.height}px`;
    if (!this.chart) this.begin(echarts);
    else this.chart.resize();
    const shape = JSON.stringify([this.chosen, (option.grid?.length ?? 1), (option.parallelAxis?.length ?? 0), this.colours.paper, this.data.figure.x_axis, this.data.figure.y_axis]);
    this.chart.setOption(option, shape === this.shape ? { replaceMerge: ["series"] } : true);
    if (shape !== this.shape) this.brushAgain();
    this.shape = shape;
    this.place.setAttribute("aria-label", `${this.kind.title}. ${this.section.querySelector(".note")?.textContent ?? ""}`);
  }

  begin(echarts) {
    this.chart = echarts.init(this.place, null, { renderer: "canvas" });
    this.place.tabIndex = 0;
    this.place.setAttribute("role", "img");
    this.chart.on("click", (params) => {
      const number = this.kind.numberOf?.(params) ?? params.data?.number;
      if (number) toggle(number);
    });
    this.chart.on("datazoom", () => this.noteZoom());
    if (this.kind.brushed) this.chart.on("axisareaselected", () => this.noteBrush());
    this.place.addEventListener("keydown", (event) => this.press(event));
    new ResizeObserver(() => this.resized()).observe(this.section);
  }

  resized() {
    if (!this.visible || !this.data || this.width === this.section.clientWidth) return;
    const first = this.width === undefined;
    this.width = this.section.clientWidth;
    if (!first) this.draw();
  }

  // The ranges of the axes that zoom, in percent.
  ranges() {
    return this.chart.getOption().dataZoom?.filter((one) => one.type === "inside").map((one) => [one.start, one.end]) ?? [];
  }

  noteZoom() {
    const ranges = this.ranges();
    const whole = ranges.every(([start, end]) => start <= 0.01 && end >= 99.99);
    this.choose("zoom", whole ? "" : ranges.map(([start, end]) => `${Math.max(0, start).toFixed(2)}-${end.toFixed(2)}`).join(","));
    this.shape = "";
    this.section.querySelector("[data-tool=reset]").hidden = whole;
  }

  zoomTo(ranges) {
    ranges.forEach(([start, end], index) => this.chart.dispatchAction({ type: "dataZoom", dataZoomIndex: index, start: Math.max(0, start), end: Math.min(100, end) }));
  }

  // Zooms by a share of the range, and moves by one.
  shift(narrower, sideways) {
    this.zoomTo(this.ranges().map(([start, end], index) => {
      const span = end - start;
      const move = index === 0 ? Math.max(-start, Math.min(100 - end, sideways * span)) : 0;
      return [start + narrower * span + move, end - narrower * span + move];
    }));
  }

  press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.ranges().length) return;
    const keys = { "+": [STEP, 0], "=": [STEP, 0], "-": [-STEP, 0], ArrowLeft: [0, -STEP], ArrowRight: [0, STEP] };
    if (event.key === "0") this.reset();
    else if (event.key in keys) this.shift(...keys[event.key]);
    else return;
    event.preventDefault();
  }

  reset() {
    this.zoomTo(this.ranges().map(() => [0, 100]));
  }

  drawZoom() {
    this.chart.dispatchAction({ type: "takeGlobalCursor", key: "dataZoomSelect", dataZoomSelectActive: true });
  }

  noteBrush() {
    clearTimeout(this.brushing);
    this.brushing = setTimeout(() => {
      const { numbers, intervals, filter } = this.kind.brushed(this.chart, this.data);
      this.choose("brush", Object.keys(intervals).length ? JSON.stringify(intervals) : "");
      select(numbers);
      filterTable(filter);
    }, 150);
  }

  brushAgain() {
    if (!this.kind.brushed || !this.chosen.brush) return;
    for (const [dim, intervals] of Object.entries(JSON.parse(this.chosen.brush))) {
      this.chart.dispatchAction({ type: "axisAreaSelect", parallelAxisIndex: Number(dim), intervals });
    }
  }

  unbrush() {
    if (!this.chosen.brush) return;
    clearTimeout(this.brushing);
    const dims = Object.keys(JSON.parse(this.chosen.brush));
    this.choose("brush", "");
    if (this.chart) for (const dim of dims) this.chart.dispatchAction({ type: "axisAreaSelect", parallelAxisIndex: Number(dim), intervals: [] });
  }

  // What is selected has changed.
  highlight() {
    const option = this.chart && this.option();
    if (option) this.chart.setOption({ series: option.series }, { replaceMerge: ["series"] });
  }

  async save(format) {
    const name = `${document.body.dataset.name || "studies"}-${this.name}`;
    if (format === "csv") return saveTable(this.kind.rows(this.data), name);
    if (format === "png") return savePicture(this.chart, this.colours.paper, name);
    return saveDrawing(await library(), { ...this.option(), backgroundColor: this.colours.paper }, this.height, name);
  }
}

const figures = new Map([...document.querySelectorAll("[data-figure]")].map((section) => [section, new Figure(section)]));
const observer = new IntersectionObserver((entries) => entries.forEach((entry) => figures.get(entry.target)?.see(entry.isIntersecting)), { rootMargin: "150px" });
for (const section of figures.keys()) observer.observe(section);
const each = (what) => figures.forEach((figure) => what(figure));

document.addEventListener("dodona:changed", (event) => {
  // A study's first results bring its figures.
  for (const section of document.querySelectorAll("[data-figure]")) {
    if (figures.has(section)) continue;
    figures.set(section, new Figure(section));
    observer.observe(section);
  }
  each((figure) => figure.changed(event.detail));
});
document.addEventListener("dodona:cleared", () => each((figure) => figure.unbrush()));
document.addEventListener("dodona:selected", () => each((figure) => figure.highlight()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => each((figure) => figure.chart && figure.draw()));
