// What forms contain: the values of parameters, which depend on each other, results, and specs as JSON.
import { at } from "./root.js";

// Integers beyond 2^53 keep all their digits.
const numberOf = (text) => (/^-?\d{16,}$/.test(text) && JSON.rawJSON ? JSON.rawJSON(text) : Number(text));

const valueOf = (field) => (field.tagName === "SELECT" ? JSON.parse(field.value) : numberOf(field.value));

// Disables and hides the fields of parameters that are not active. Each comes after the one that it depends on.
function activate(form) {
  for (const place of form.querySelectorAll("[data-parent]")) {
    const parent = form.querySelector(`[data-index="${place.dataset.parent}"]`);
    const active = !parent.disabled && parent.value !== "" && JSON.parse(place.dataset.values).includes(valueOf(parent));
    place.hidden = !active;
    place.querySelector("[data-index]").disabled = !active;
  }
}

function show(checkbox) {
  const place = document.getElementById(checkbox.dataset.shows);
  place.hidden = place.disabled = !checkbox.checked;
}

export function prepare(form) {
  for (const checkbox of form.querySelectorAll("[data-shows]")) show(checkbox);
  for (const field of form.querySelectorAll("[data-must-be]")) check(field);
  activate(form);
}

// Sets the fields of parameters, those that others depend on first.
export function fill(form, parameters) {
  for (const field of form.querySelectorAll("[data-id]")) {
    if (field.disabled) continue;
    const value = parameters[JSON.parse(field.dataset.id)];
    if (value === undefined) field.value = "";
    else if (field.tagName === "SELECT") field.value = [...field.options].find((one) => one.value && JSON.parse(one.value) === value)?.value ?? "";
    else field.value = value;
    activate(form);
  }
}

function check(field) {
  field.setCustomValidity(field.value === field.dataset.mustBe ? "" : `Type ${field.dataset.mustBe}`);
}

async function copy(button) {
  const number = button.parentElement.querySelector("[data-copies]");
  const form = button.form;
  const problem = form.querySelector(".problem");
  problem.hidden = true;
  const answer = await fetch(at(`${number.dataset.copies}${encodeURIComponent(number.value)}?view=BASIC`), { headers: { Accept: "application/json" } }).catch(() => null);
  const content = await answer?.json().catch(() => null);
  if (answer?.ok) return fill(form, Object.fromEntries((content.parameters ?? []).map((one) => [one.parameterId, one.value])));
  problem.textContent = content?.error?.message ?? "The server does not answer.";
  problem.hidden = false;
}

const active = (form, kind) => [...form.querySelectorAll(`[${kind}]`)].filter((field) => !field.matches(":disabled") && field.value !== "");

function measurementOf(form) {
  return { metrics: active(form, "data-metric").map((field) => ({ metricId: JSON.parse(field.dataset.metric), value: Number(field.value) })) };
}

function trialOf(form) {
  const parameters = active(form, "data-id").map((field) => ({ parameterId: JSON.parse(field.dataset.id), value: valueOf(field) }));
  const results = form.querySelector("[data-shows]");
  return results?.checked ? { parameters, state: "SUCCEEDED", finalMeasurement: measurementOf(form) } : { parameters };
}

function sameTrialOf(form) {
  return { parameters: Object.entries(JSON.parse(form.dataset.parameters)).map(([parameterId, value]) => ({ parameterId, value })) };
}

// The parsed spec, and the fields beside it. A whole study, as the API shows it, is accepted too.
function studyOf(form) {
  const fields = new FormData(form);
  const parsed = parsedSpec(fields.get("spec"));
  const spec = parsed.studySpec ?? parsed;
  if (fields.get("maxTrials")) spec.studyStoppingConfig = { ...spec.studyStoppingConfig, maxNumTrials: Number(fields.get("maxTrials")) };
  const path = ["projects", fields.get("project").trim(), "locations", fields.get("location").trim(), "studies"].map(encodeURIComponent).join("/");
  return { path: `/v1/${path}`, study: { displayName: fields.get("name").trim(), studySpec: spec } };
}

function parsedSpec(text) {
  let parsed;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    const place = /line (\d+) column (\d+)/.exec(error.message);
    throw new Error(`This is not JSON${place ? ` at line ${place[1]}, column ${place[2]}` : ""}: ${error.message}`);
  }
  const spec = parsed?.studySpec ?? parsed;
  if (typeof spec !== "object" || spec === null || Array.isArray(spec)) throw new Error("A spec is an object in braces.");
  if (!spec.metrics?.length) throw new Error("metrics: name at least one, such as {\"metricId\": \"loss\", \"goal\": \"MINIMIZE\"}.");
  for (const one of spec.metrics) if (!one.metricId) throw new Error("metrics: every metric needs a metricId.");
  for (const one of spec.parameters ?? []) {
    if (!one.parameterId) throw new Error("parameters: every parameter needs a parameterId.");
    if (!Object.keys(one).some((key) => key.endsWith("ValueSpec"))) throw new Error(`parameters: ${one.parameterId} needs a doubleValueSpec, integerValueSpec, categoricalValueSpec or discreteValueSpec.`);
  }
  return parsed;
}

function judge(textarea) {
  const state = document.getElementById("spec-state");
  try {
    const parsed = parsedSpec(textarea.value);
    const spec = parsed.studySpec ?? parsed;
    const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
    state.textContent = `${counted(spec.metrics.length, "metric")}, ${counted(spec.parameters?.length ?? 0, "parameter")}.`;
    state.dataset.state = "valid";
  } catch (error) {
    state.textContent = error.message;
    state.dataset.state = "invalid";
  }
}

// The limits of the fields, and those that the form does not have.
function budgetOf(form) {
  const fields = new FormData(form);
  const config = JSON.parse(form.querySelector("[data-kept]").dataset.kept);
  for (const name of ["maxNumTrials", "maxFailedTrials", "maxNumTrialsNoProgress"]) {
    if (fields.get(name)) config[name] = Number(fields.get(name));
    else delete config[name];
  }
  for (const name of ["maxCost", "pricePerHour", "improvementUnlikely"]) {
    if (form.elements[name].value === "") delete config[name];
    else config[name] = Number(form.elements[name].value);
  }
  const compute = form.elements.computeHours.value;
  if (compute === "") delete config.maxComputeDuration;
  else config.maxComputeDuration = `${Math.round(Number(compute) * 3.6e6) / 1000}s`;
  const hours = form.elements.hours;
  if (!hours.disabled) {
    if (hours.value === "") delete config.maximumRuntimeConstraint;
    else config.maximumRuntimeConstraint = { maxDuration: `${Math.round(Number(hours.value) * 3.6e6) / 1000}s` };
  }
  return { studyStoppingConfig: config };
}

// An empty field removes the number.
function workersOf(form) {
  const count = form.elements.wantedWorkers.value;
  return count === "" ? {} : { wantedWorkers: Number(count) };
}

function ruleOf(form) {
  const rule = form.elements.rule.value;
  if (!rule) return {};
  return { [rule]: rule === "noProgressStoppingSpec" ? { patience: 10 } : {} };
}

function webhookOf(form) {
  const kinds = form.elements.kinds.value.split(",").map((kind) => kind.trim()).filter(Boolean);
  return { url: form.elements.url.value, form: form.elements.form.value, kinds };
}

function notesOf(form) {
  const tags = form.elements.tags.value.split(",").map((tag) => tag.trim()).filter(Boolean);
  return { metadata: { "dodona/note": form.elements.note.value, "dodona/tags": [...new Set(tags)].join(",") } };
}

// The body of the call, and its path if it depends on the fields.
export function bodyOf(form) {
  const plain = () => Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, form.elements[name].type === "number" ? Number(value) : value]));
  const made = { trial: trialOf, again: sameTrialOf, study: () => studyOf(form).study, result: () => ({ finalMeasurement: measurementOf(form) }), budget: budgetOf, rule: ruleOf, workers: workersOf, notes: notesOf, webhook: webhookOf, fixed: () => JSON.parse(form.dataset.content) };
  const content = (made[form.dataset.body] ?? plain)(form);
  const paths = { study: () => studyOf(form).path, webhook: () => form.elements.project && `/v1/projects/${encodeURIComponent(form.elements.project.value.trim())}/webhooks` };
  const path = paths[form.dataset.body]?.();
  return { path, body: (requestId) => JSON.stringify({ ...content, requestId }) };
}

document.addEventListener("input", (event) => {
  if (event.target.dataset.mustBe) check(event.target);
  if (event.target.dataset.shows) show(event.target);
  if (event.target.id === "spec") judge(event.target);
  if (event.target.dataset.index) activate(event.target.form);
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
});

// Enter in this field copies; it must not send the form.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches?.("[data-copies]")) return;
  event.preventDefault();
  copy(event.target.parentElement.querySelector("[data-copy]"));
});

const spec = document.getElementById("spec");
if (spec) judge(spec);
