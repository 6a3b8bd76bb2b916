// The form that builds a spec: its rows and the JSON below follow each other. The JSON is what is sent.
const textarea = document.getElementById("spec");
const places = { metric: document.getElementById("metrics"), parameter: document.getElementById("parameters") };
const KINDS = { double: "doubleValueSpec", integer: "integerValueSpec", categorical: "categoricalValueSpec", discrete: "discreteValueSpec" };
// Values of these types may decide whether another parameter exists.
const CONDITIONS = { integer: "parentIntValues", categorical: "parentCategoricalValues", discrete: "parentDiscreteValues" };
const RULES = ["automaticStoppingSpec", "medianAutomatedStoppingSpec", "ashaStoppingSpec"];
let writing = false;
let added = 0;
const field = (row, name) => row.querySelector(`[data-of="${name}"]`);
const rows = (kind) => [...places[kind].children];

function add(kind, values = {}) {
  const row = document.getElementById(`${kind}-row`).content.firstElementChild.cloneNode(true);
  places[kind].append(row);
  row.dataset.row = ++added;
  if (kind === "parameter") offer();
  for (const [name, value] of Object.entries(values)) field(row, name).value = value;
  if (kind === "parameter") arrange(row);
  return row;
}

// Shows the fields of the parameter's type, and says what is wrong with them.
function arrange(row) {
  const listed = ["categorical", "discrete"].includes(field(row, "type").value);
  for (const name of ["min", "max", "scale", "values"]) {
    const hidden = name === "scale" ? listed : listed !== (name === "values");
    field(row, name).closest(".field").hidden = field(row, name).disabled = hidden;
  }
  const [least, most] = ["min", "max"].map((name) => field(row, name));
  const number = (one) => (one.value === "" ? NaN : Number(one.value));
  most.setCustomValidity(number(least) > number(most) ? "This is less than the least value." : "");
  least.setCustomValidity(field(row, "scale").value && number(least) <= 0 ? "A log scale needs a value above 0." : "");
  const numbers = listOf(row, "values").map(Number);
  const wrong = field(row, "type").value === "discrete" && numbers.some((one) => !Number.isFinite(one));
  field(row, "values").setCustomValidity(wrong ? "Each value is a number." : "");
  const astray = field(row, "type").value !== "categorical" && listOf(row, "near").some((one) => !Number.isFinite(Number(one)));
  field(row, "near").setCustomValidity(astray ? "Each value is a number." : "");
  field(row, "sure").closest(".field").hidden = field(row, "sure").disabled = !field(row, "near").value;
  for (const step of [least, most]) step.step = field(row, "type").value === "integer" ? "1" : "any";
}

// Offers each parameter those above it that it may depend on; a renamed one stays chosen.
function offer() {
  const above = [new Option("always", "")];
  for (const row of rows("parameter")) {
    const select = field(row, "parent");
    const before = select.value;
    select.replaceChildren(...above.map((one) => one.cloneNode(true)));
    select.value = above.some((one) => one.value === before) ? before : "";
    field(row, "when").closest(".field").hidden = field(row, "when").disabled = !select.value;
    if (field(row, "type").value in CONDITIONS) above.push(new Option(`with ${field(row, "parameterId").value}`, row.dataset.row));
  }
}

const listOf = (row, name) => field(row, name).value.split(",").map((one) => one.trim()).filter(Boolean);
const valuesOf = (row, name, type) => (type === "categorical" ? listOf(row, name) : listOf(row, name).map(Number));

// The parameter of the row, with what the row does not show of the one that the JSON had.
function fullOf(row, before) {
  const made = parameterOf(row);
  const kind = KINDS[field(row, "type").value];
  const { scaleType, conditionalParameterSpecs, prior, ...kept } = before ?? {};
  if (before && !(kind in before)) return made;
  return { ...kept, ...made, [kind]: { ...kept[kind], ...made[kind] } };
}

// Parameters as the API nests them: each below the one that it depends on.
function nested(before) {
  const made = new Map(rows("parameter").map((row) => [row.dataset.row, fullOf(row, before[field(row, "parameterId").value])]));
  const roots = [];
  for (const row of rows("parameter")) {
    const [parameterSpec, parent] = [made.get(row.dataset.row), field(row, "parent").value];
    if (!parent) {
      roots.push(parameterSpec);
      continue;
    }
    const type = field(rows("parameter").find((one) => one.dataset.row === parent), "type").value;
    const values = valuesOf(row, "when", type);
    (made.get(parent).conditionalParameterSpecs ??= []).push({ parameterSpec, [CONDITIONS[type]]: { values } });
  }
  return roots;
}

// All parameters by name, with those that depend on others.
function flat(parameters, found = {}) {
  for (const one of parameters) {
    found[one.parameterId] = one;
    flat((one.conditionalParameterSpecs ?? []).map((child) => child.parameterSpec ?? {}), found);
  }
  return found;
}

function parameterOf(row) {
  const type = field(row, "type").value;
  const made = { parameterId: field(row, "parameterId").value };
  if (type === "categorical") made[KINDS[type]] = { values: listOf(row, "values") };
  else if (type === "discrete") made[KINDS[type]] = { values: valuesOf(row, "values", type).sort((one, other) => one - other) };
  else made[KINDS[type]] = { minValue: Number(field(row, "min").value), maxValue: Number(field(row, "max").value) };
  if (field(row, "scale").value && !field(row, "scale").disabled) made.scaleType = field(row, "scale").value;
  if (field(row, "near").value) made.prior = { values: valuesOf(row, "near", type), sure: field(row, "sure").value };
  return made;
}

function specOf() {
  try {
    const parsed = JSON.parse(textarea.value);
    return parsed.studySpec ?? parsed;
  } catch {
    return null;
  }
}

// What the rows do not show, such as defaults, stays.
function write() {
  const spec = specOf() ?? {};
  const before = flat(spec.parameters ?? []);
  spec.metrics = rows("metric").map((row) => ({ metricId: field(row, "metricId").value, goal: field(row, "goal").value }));
  spec.parameters = nested(before);
  delete spec.algorithm;
  for (const rule of RULES) delete spec[rule];
  const [algorithm, rule] = ["algorithm", "stopping"].map((id) => document.getElementById(id).value);
  if (algorithm) spec.algorithm = algorithm;
  if (rule) spec[rule] = {};
  delete spec.transferLearningConfig;
  if (spec.priorStudies === "auto") delete spec.priorStudies;
  if (document.getElementById("priors").value) spec.priorStudies = "auto";
  textarea.value = JSON.stringify(spec, null, 2);
  writing = true;
  textarea.dispatchEvent(new Event("input", { bubbles: true }));
  writing = false;
}

// Rebuilds the rows from the JSON; nothing changes while it cannot be read.
function read() {
  const spec = specOf();
  if (!spec) return;
  for (const place of Object.values(places)) place.replaceChildren();
  for (const one of spec.metrics ?? []) add("metric", { metricId: one.metricId ?? "", goal: one.goal === "MINIMIZE" ? "MINIMIZE" : "MAXIMIZE" });
  readParameters(spec.parameters ?? []);
  document.getElementById("algorithm").value = spec.algorithm ?? "";
  document.getElementById("stopping").value = RULES.find((rule) => rule in spec) ?? "";
  document.getElementById("priors").value = spec.priorStudies === "auto" ? "auto" : "";
}

function readParameters(parameters, parent = "", when = "") {
  for (const one of parameters) {
    const [type, kind] = Object.entries(KINDS).find(([, name]) => name in one) ?? ["double", ""];
    const range = one[kind] ?? {};
    const row = add("parameter", {
      parameterId: one.parameterId ?? "",
      type,
      min: range.minValue ?? "",
      max: range.maxValue ?? "",
      scale: one.scaleType === "UNIT_LOG_SCALE" ? "UNIT_LOG_SCALE" : "",
      values: (range.values ?? []).join(", "),
      near: (one.prior?.values ?? []).join(", "),
      sure: ["VAGUELY", "VERY"].includes(one.prior?.sure) ? one.prior.sure : "FAIRLY",
      parent,
      when,
    });
    offer();
    for (const child of one.conditionalParameterSpecs ?? []) {
      const values = Object.values(CONDITIONS).flatMap((name) => child[name]?.values ?? []);
      readParameters([child.parameterSpec ?? {}], row.dataset.row, values.join(", "));
    }
  }
}

if (textarea && places.metric) {
  read();
  document.addEventListener("input", (event) => {
    if (event.target === textarea) writing || read();
    else if (event.target.closest?.("[data-builds]")) {
      const row = event.target.closest("#parameters .row");
      if (row) arrange(row);
      offer();
      write();
    }
  });
  document.addEventListener("click", (event) => {
    const kind = event.target.dataset?.adds;
    if (kind) field(add(kind), kind === "metric" ? "metricId" : "parameterId").focus();
    const removes = event.target.closest?.("[data-removes]");
    if (removes) removes.closest(".row").remove();
    if (removes) offer();
    if (kind || removes) write();
  });
}
