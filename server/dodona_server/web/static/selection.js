// The selected trials: highlighted in every figure and in the tables, and part of the address.
import { refresh } from "./live.js";
import { at } from "./root.js";
import { read, write } from "./state.js";

const MOST_LISTED = 12;
// More numbers would make an address too long.
const MOST_KEPT = 400;
const bar = document.getElementById("selected");
// A filter has a limited length.
const MOST_FILTERED = 150;
// The filter that a brush has set.
let brushed = read("parallel.brush") ? (new URLSearchParams(location.search).get("filter") ?? "") : "";
let numbers = new Set(read("trials").split(",").filter((one) => /^\d+$/.test(one)).map(Number));

export const selected = () => numbers;

export function select(chosen) {
  numbers = new Set([...chosen].sort((one, other) => one - other));
  write("trials", [...numbers].slice(0, MOST_KEPT).join(","));
  show();
  document.dispatchEvent(new CustomEvent("dodona:selected"));
}

export function toggle(number) {
  const chosen = new Set(numbers);
  if (!chosen.delete(number)) chosen.add(number);
  select(chosen);
}

function linkTo(number) {
  const link = document.createElement("a");
  link.href = at(`${bar.dataset.trials}${number}`);
  link.textContent = number;
  return link;
}

// The page with that filter of its table of trials; null where it has none.
function addressWith(filter) {
  if (!document.querySelector("#trials [name=filter]")) return null;
  const address = new URL(location.href);
  for (const name of ["trials", "from", "after", "page", "filter"]) address.searchParams.delete(name);
  if (filter) address.searchParams.set("filter", filter);
  return address;
}

// Shows only the trials of a filter in the table, or all of them again; another filter of the reader stays.
export function filterTable(filter) {
  const present = new URLSearchParams(location.search).get("filter") ?? "";
  const address = present === brushed || filter ? addressWith(filter) : null;
  if (!address || present === filter) return;
  brushed = filter;
  history.replaceState(history.state, "", address);
  refresh().catch(() => {});
}

function show() {
  if (!bar) return;
  for (const row of document.querySelectorAll("tr[id^='trial-'], tr[id^='running-']")) {
    const number = Number(row.id.replace(/\D+/, ""));
    row.toggleAttribute("data-kept-selected", numbers.has(number));
  }
  bar.hidden = numbers.size === 0;
  const listed = [...numbers].sort((one, other) => one - other).slice(0, MOST_LISTED);
  const text = bar.querySelector("span");
  text.replaceChildren(`${numbers.size} selected: trial${numbers.size === 1 ? "" : "s"} `);
  for (const number of listed) text.append(linkTo(number), " ");
  if (listed.length < numbers.size) text.append("…");
  const address = addressWith(`trial in [${[...numbers].slice(0, MOST_FILTERED).join(", ")}]`);
  const link = bar.querySelector("a[data-table]");
  link.href = address ? `${address.href}#trials` : "#trials";
}

function clear() {
  document.dispatchEvent(new CustomEvent("dodona:cleared"));
  select([]);
  filterTable("");
}

bar?.querySelector("button").addEventListener("click", clear);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && numbers.size && !document.querySelector("dialog[open]") && !event.target.closest?.("details[open]")) clear();
});
document.addEventListener("dodona:changed", show);
show();
