// Fetches the page again while its study or trial may change, and changes only the elements that differ.
import { showTimes } from "./times.js";

const PAUSE = 5000;
const status = document.getElementById("status");
let shown = "";
let timer = 0;

function say(state, text) {
  if (status.dataset.state === state) return;
  status.dataset.state = state;
  status.textContent = text;
}

// What the reader opened stays open.
function mayUpdate(name, element) {
  return !(name === "open" && element.tagName === "DETAILS");
}

// What the reader types stays.
function mayMorph(element) {
  return !(element === document.activeElement && element.matches("input, select, textarea"));
}

function put(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("main");
  showTimes(fresh);
  Idiomorph.morph(document.getElementById("main"), fresh, {
    callbacks: { beforeAttributeUpdated: mayUpdate, beforeNodeMorphed: mayMorph },
  });
  // A form that is in use stays as it is.
  for (const form of page.querySelectorAll("dialog")) {
    const own = document.getElementById(form.id);
    if (own && !own.open) Idiomorph.morph(own, form);
  }
  document.title = page.title;
  status.hidden = page.getElementById("status").hidden;
}

function schedule() {
  clearTimeout(timer);
  if (!status.hidden) timer = setTimeout(loop, PAUSE);
}

// Shows the present state of the page; fails if the server does not answer.
export async function refresh() {
  const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
  if (answer.status === 404) return location.reload();
  if (!answer.ok) throw new Error(answer.statusText);
  const text = await answer.text();
  if (text !== shown) put(text);
  shown = text;
  say("live", "Live");
  schedule();
}

async function loop() {
  try {
    if (document.hidden || !getSelection().isCollapsed) schedule();
    else await refresh();
  } catch {
    say("lost", "The server does not answer; trying again");
    schedule();
  }
}

schedule();
// A reader who comes back sees the present state at once.
document.addEventListener("visibilitychange", () => document.hidden || status.hidden || loop());
