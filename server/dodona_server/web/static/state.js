// What the reader has chosen in the figures is part of the address: fig.history.by=time, fig.trials=5,7.
import { below } from "./root.js";

const PREFIX = "fig.";

export function read(name) {
  return new URLSearchParams(location.search).get(PREFIX + name) ?? "";
}

export function write(name, value) {
  const address = new URL(location.href);
  if (value === "") address.searchParams.delete(PREFIX + name);
  else address.searchParams.set(PREFIX + name, value);
  history.replaceState(history.state, "", address);
}

// The page's own links and forms keep what is chosen now, not what was chosen when the page was made.
function kept() {
  return [...new URLSearchParams(location.search)].filter(([name]) => name.startsWith(PREFIX));
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("main a[href]");
  if (!link || link.origin !== location.origin || below(link.pathname) !== below(location.pathname) || link.hasAttribute("download")) return;
  const address = new URL(link.href);
  for (const name of [...address.searchParams.keys()]) if (name.startsWith(PREFIX)) address.searchParams.delete(name);
  for (const [name, value] of kept()) address.searchParams.set(name, value);
  link.href = address;
}, true);

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "get" || below(new URL(form.action).pathname) !== below(location.pathname)) return;
  for (const field of form.querySelectorAll(`input[type="hidden"][name^="${PREFIX}"]`)) field.remove();
  for (const [name, value] of kept()) {
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    form.append(field);
  }
}, true);
