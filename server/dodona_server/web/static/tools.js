// The tools of a figure: what it shows, its zoom, and files of it.
const FORMATS = [["png", "PNG picture"], ["svg", "SVG drawing"], ["csv", "CSV table"]];

function element(tag, attributes = {}, ...children) {
  const made = Object.assign(document.createElement(tag), attributes);
  made.append(...children);
  return made;
}

function optionsOf(tool, data) {
  if (tool.parameters) return data.names.map((name) => [name, name]);
  if (tool.metrics) return (data.figure?.metrics ?? []).map((name) => [name, name]);
  return tool.options;
}

// What the figure shows where nothing is chosen.
function shownBy(tool, figure) {
  if (tool.parameters) return figure.data.figure?.[`${tool.name}_axis`]?.name ?? "";
  if (tool.metrics) return figure.data.figure?.metrics[tool.name === "first" ? 0 : 1] ?? "";
  return "";
}

function selectOf(tool, figure) {
  const options = optionsOf(tool, figure.data);
  if (options.length < 2) return "";
  const field = element("select", { ariaLabel: `${tool.label}, ${figure.kind.title}` });
  for (const [value, label] of options) field.append(element("option", { value, textContent: label }));
  field.value = figure.chosen[tool.name] || shownBy(tool, figure);
  field.addEventListener("change", () => {
    figure.choose(tool.name, field.value);
    figure.choose("zoom", "");
    if (tool.fetched) figure.update();
    else figure.draw();
  });
  return element("label", {}, element("span", { textContent: `${tool.label} ` }), field);
}

function button(text, press, more = {}) {
  const made = element("button", { type: "button", className: "small", textContent: text, ...more });
  made.addEventListener("click", press);
  return made;
}

function menu(figure) {
  const items = element("div");
  const made = element("details", { className: "menu small" }, element("summary", { textContent: "Save", ariaLabel: `Save, ${figure.kind.title}` }), items);
  for (const [format, label] of FORMATS) {
    items.append(button(label, () => {
      made.open = false;
      figure.save(format);
    }));
  }
  return made;
}

// Makes the tools once, and again when what can be chosen has changed.
export function toolsOf(figure) {
  const place = figure.section.querySelector(".tools");
  const shape = JSON.stringify(figure.kind.tools.map((tool) => [optionsOf(tool, figure.data), shownBy(tool, figure)]));
  if (place.dataset.shape === shape) return;
  place.dataset.shape = shape;
  const made = figure.kind.tools.map((tool) => selectOf(tool, figure));
  const reset = button("Reset zoom", () => figure.reset(), { hidden: !figure.chosen.zoom, ariaLabel: `Reset zoom, ${figure.kind.title}` });
  reset.dataset.tool = "reset";
  const zooms = !["parallel", "slices", "contour", "rank", "importance"].includes(figure.name);
  const draw = zooms ? [button("Zoom", () => figure.drawZoom(), { ariaLabel: `Zoom into a rectangle, ${figure.kind.title}`, title: "Draw a rectangle. Keys: + - 0 and the arrows, on the figure." })] : [];
  place.replaceChildren(...made, ...draw, reset, menu(figure));
}
