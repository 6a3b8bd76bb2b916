// Fetches the page again when its study or trial has changed, and changes only the elements that differ.
// A stream says that something has changed; where there is none, the page looks every few seconds.
import { at } from "./root.js";
import { showTimes } from "./times.js";

const PAUSE = 5000;
// A stream that says nothing may be broken by a proxy.
const PAUSE_WITH_STREAM = 60_000;
// After a refusal the page does not ask for a stream for a while.
const REFUSED_PAUSE = 60_000;
// A browser has six connections to a server, for all its tabs together.
const MAX_STREAMS = 3;
const status = document.getElementById("status");
let shown = "";
// Requests for the page so far, and the last of those whose answer is shown.
let asked = 0;
let latest = 0;
let timer = 0;
let notBefore = 0;
let source = null;
let release = null;
let departing = false;

function say(state, text) {
  if (status.dataset.state === state) return;
  status.dataset.state = state;
  status.textContent = text;
}

// What the reader opened stays open, and what is marked stays marked.
function mayUpdate(name, element) {
  return !(name === "open" && element.tagName === "DETAILS") && !name.startsWith("data-kept");
}

// What the reader types stays, and so does what is the reader's or a script's own.
function mayMorph(element) {
  if (element.nodeType !== Node.ELEMENT_NODE) return true;
  return !element.hasAttribute("data-own") && !(element === document.activeElement && element.matches("input, select, textarea"));
}

function put(text) {
  const page = new DOMParser().parseFromString(text, "text/html");
  const fresh = page.getElementById("main");
  showTimes(fresh);
  Idiomorph.morph(document.getElementById("main"), fresh, {
    callbacks: { beforeAttributeUpdated: mayUpdate, beforeNodeMorphed: mayMorph },
  });
  // A form that is in use stays as it is.
  for (const form of page.querySelectorAll("dialog:not([data-own])")) {
    const own = document.getElementById(form.id);
    if (own && !own.open) Idiomorph.morph(own, form);
  }
  document.title = page.title;
  status.hidden = page.getElementById("status").hidden;
}

function schedule() {
  clearTimeout(timer);
  const streaming = source?.readyState === EventSource.OPEN;
  if (!status.hidden) timer = setTimeout(loop, streaming ? PAUSE_WITH_STREAM : PAUSE);
}

// Shows the present state of the page; fails if the server does not answer.
// Pages that heard of the same change, which a mark names, share an answer.
export async function refresh(mark = "") {
  const headers = { Accept: "text/html", ...(mark && { "Dodona-Mark": mark }) };
  const turn = ++asked;
  const answer = await fetch(location.href, { headers });
  if (answer.status === 404) return location.reload();
  if (!answer.ok) throw new Error(answer.statusText);
  const text = await answer.text();
  // A later request may be answered first, and shows more.
  if (turn < latest) return;
  latest = turn;
  if (text !== shown) put(text);
  shown = text;
  say("live", "Live");
  schedule();
  document.dispatchEvent(new CustomEvent("dodona:changed", { detail: mark }));
}

// A page that is about to be left is not fetched again: what it shows may just have been deleted.
export function depart(now) {
  departing = now;
  if (!now) schedule();
}

async function loop(mark = "") {
  follow();
  if (document.hidden || departing) return;
  try {
    if (getSelection().isCollapsed) await refresh(mark);
    else schedule();
  } catch {
    say("lost", "The server does not answer; trying again");
    schedule();
  }
}

// Returns what gives the place among this browser's streams back; null if there is no place.
// Browsers have locks only on encrypted and local addresses.
async function takePlace() {
  if (!navigator.locks) return () => {};
  for (let place = 0; place < MAX_STREAMS; place++) {
    const free = await new Promise((found) => {
      navigator.locks.request(`dodona-stream-${place}`, { ifAvailable: true }, (lock) => lock ? new Promise(found) : found(null));
    });
    if (free) return free;
  }
  return null;
}

async function follow() {
  const address = document.body.dataset.changes;
  if (source || !address || document.hidden || status.hidden || Date.now() < notBefore) return;
  source = { readyState: EventSource.CONNECTING, close() {} };
  release = await takePlace();
  if (!release || document.hidden) return leave();
  source = new EventSource(at(address));
  source.addEventListener("open", schedule);
  source.addEventListener("changed", (event) => loop(event.data));
  // The browser connects again after a lost connection, but not after a refusal: then the page looks by itself.
  source.addEventListener("error", () => {
    if (source?.readyState === EventSource.CLOSED) {
      notBefore = Date.now() + REFUSED_PAUSE;
      leave();
    }
    schedule();
  });
}

function leave() {
  source?.close();
  release?.();
  source = release = null;
}

if (!status.hidden) {
  follow();
  schedule();
}
// A reader who comes back sees the present state at once.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) leave();
  else if (!status.hidden) loop();
});
