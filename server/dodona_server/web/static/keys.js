// Single keys do what a button or link says in aria-keyshortcuts; a reader can switch them off.
const STORED = "dodona-keys";
const dialog = document.getElementById("keys");
const on = document.getElementById("keys-on");
const TYPED = "input, select, textarea, [contenteditable]";

// Some browsers refuse storage: then the choice holds on this page.
const stored = () => {
  try {
    return localStorage.getItem(STORED);
  } catch {
    return null;
  }
};

const visible = (element) => element.checkVisibility();
// A field of a dialog that was just closed still has the focus until the next frame.
const types = (element) => element.closest?.(TYPED)?.checkVisibility() ?? false;
const targets = () => [...document.querySelectorAll("[aria-keyshortcuts]")].filter(visible);
const labelOf = (element) => element.getAttribute("aria-label") || element.textContent.trim() || element.title;

function list() {
  const rows = targets().flatMap((target) => {
    const [term, description] = [document.createElement("dt"), document.createElement("dd")];
    const key = term.appendChild(document.createElement("kbd"));
    key.textContent = target.getAttribute("aria-keyshortcuts");
    description.textContent = target.dataset.key ?? labelOf(target);
    return [term, description];
  });
  dialog.querySelector("dl").replaceChildren(...rows);
}

function press(event) {
  const target = targets().find((one) => one.getAttribute("aria-keyshortcuts") === event.key);
  if (!target) return;
  event.preventDefault();
  if (target.matches(TYPED)) target.focus();
  else target.click();
}

on.checked = stored() !== "off";
on.addEventListener("change", () => {
  try {
    localStorage.setItem(STORED, on.checked ? "on" : "off");
  } catch {}
});
document.getElementById("show-keys").addEventListener("click", () => {
  list();
  dialog.showModal();
});
document.addEventListener("keydown", (event) => {
  const modified = event.ctrlKey || event.altKey || event.metaKey || event.isComposing;
  if (on.checked && !modified && !types(event.target) && !document.querySelector("dialog[open]")) press(event);
});
