// Forms that change something: they are sent to the API, and errors are shown beside the button.
import { bodyOf, fill, prepare } from "./forms.js";
import { depart, refresh } from "./live.js";
import { at } from "./root.js";

const notice = document.getElementById("notice");

function open(dialog, opener) {
  const form = dialog.querySelector("form");
  form.reset();
  complain(form, "");
  if (opener.dataset.send) form.dataset.send = opener.dataset.send;
  if (opener.dataset.value) form.dataset.content = opener.dataset.value;
  for (const place of form.querySelectorAll("[data-subject]")) place.textContent = opener.dataset.named;
  prepare(form);
  for (const [name, value] of Object.entries(JSON.parse(opener.dataset.values ?? "{}"))) form.elements[name].value = value;
  if (opener.dataset.fill) fill(form, JSON.parse(opener.dataset.fill));
  dialog.showModal();
}

function complain(form, problem) {
  const place = form.querySelector(".problem");
  place.textContent = problem;
  place.hidden = !problem;
}

function announce(text, link, undo) {
  notice.textContent = text;
  if (link) {
    const anchor = document.createElement("a");
    [anchor.href, anchor.textContent] = link;
    notice.append(" ", anchor);
  }
  if (undo) {
    const button = document.createElement("button");
    [button.type, button.textContent] = ["button", "Undo"];
    button.addEventListener("click", () => takeBack(undo, button));
    notice.append(" ", button);
  }
  notice.hidden = false;
}

// What has been done since may be why it cannot be undone: the server says so.
async function takeBack(undo, button) {
  button.disabled = true;
  const [method, path] = undo.send.split(" ");
  try {
    await call({ dataset: {} }, method, at(path), (requestId) => JSON.stringify({ ...undo.body, requestId }));
    announce("It is undone.");
    await refresh();
  } catch (error) {
    announce(`It could not be undone: ${error.message}`);
  }
}

// The call that undoes what the form has done.
function undoOf(form, content, before) {
  if (before) return { send: form.dataset.send, body: before };
  if (!form.dataset.undo) return null;
  const undo = JSON.parse(form.dataset.undo);
  return { ...undo, send: undo.send.replace("{id}", content.id ?? "") };
}

// The stopping rule that a form replaces, as the API has it.
async function ruleBefore(form) {
  if (form.dataset.body !== "rule") return null;
  const path = form.dataset.send.replace(/^POST |:\w+$/g, "");
  const { studySpec } = await call({ dataset: {} }, "GET", at(path));
  return Object.fromEntries(Object.entries(studySpec).filter(([name]) => name.endsWith("StoppingSpec")));
}

// An answer that was lost is fetched again by the same id, so that nothing happens twice.
function requestId(form) {
  form.dataset.request ||= [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");
  return form.dataset.request;
}

async function call(form, method, path, body) {
  const id = requestId(form);
  const headers = { Accept: "application/json" };
  let answer;
  try {
    if (method === "GET") answer = await fetch(path, { headers });
    else if (method === "DELETE") answer = await fetch(`${path}?requestId=${id}`, { method, headers });
    else answer = await fetch(path, { method, headers: { ...headers, "Content-Type": "application/json" }, body: body(id) });
  } catch {
    throw new Error("The server does not answer. Try again: nothing is done twice.");
  }
  delete form.dataset.request;
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error?.message ?? `The server answered ${answer.status}.`);
  return content;
}

// "projects/p/locations/l/studies/s/trials/1" is shown at "/studies/p/l/s/trials/1".
function pageOf(name) {
  const [, project, , location, , study, ...rest] = name.split("/");
  return at(["/studies", project, location, study, ...rest].join("/"));
}

function reveal(secret) {
  const dialog = document.getElementById("secret");
  const place = dialog.querySelector("[data-secret]");
  place.textContent = secret;
  dialog.addEventListener("close", () => (place.textContent = ""), { once: true });
  dialog.showModal();
}

async function follow(form, content, before) {
  const [what, where] = form.dataset.then.split(" ");
  if (what === "reload") return location.reload();
  if (what === "go") return location.assign(at(where));
  if (what === "open") return location.assign(pageOf(content.name));
  form.closest("dialog")?.close();
  if (what === "secret") reveal(content.secret);
  const link = form.dataset.done && [pageOf(content.name), "Show it"];
  const undo = undoOf(form, content, before);
  if (link) announce(form.dataset.done.replace("{id}", content.id), link, content.state === "SUCCEEDED" ? null : undo);
  else if (form.dataset.said) announce(form.dataset.said, null, undo);
  await refresh().catch(() => announce("It is done, but the page could not be fetched again.", [location.href, "Reload"]));
}

async function send(form) {
  const button = form.querySelector("[type=submit]");
  complain(form, "");
  button.disabled = true;
  depart(form.dataset.then.startsWith("go"));
  try {
    const { path, body } = bodyOf(form);
    const [method, address] = form.dataset.send.split(" ");
    const before = await ruleBefore(form);
    await follow(form, await call(form, method, at(path ?? address), body), before);
  } catch (error) {
    complain(form, error.message);
    depart(false);
  } finally {
    button.disabled = false;
  }
}

document.addEventListener("submit", (event) => {
  if (!("send" in event.target.dataset)) return;
  event.preventDefault();
  send(event.target);
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) open(document.getElementById(opener.dataset.opens), opener);
  else if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
});

document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && event.target.closest?.("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
});
