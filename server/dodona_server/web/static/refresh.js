// Fetches the page again while its study or trial may change, and replaces the sections that changed.
const PAUSE = 5000;
const status = document.getElementById("status");

function put(part, fresh) {
  const scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
  const focused = part.contains(document.activeElement) && document.activeElement.getAttribute("href");
  part.replaceWith(fresh);
  fresh.querySelectorAll(".scroll").forEach((box, index) => (box.scrollLeft = scrolled[index] ?? 0));
  if (focused) fresh.querySelector(`[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

function say(state, text) {
  if (status.dataset.state === state) return;
  status.dataset.state = state;
  status.textContent = text;
}

function sections(page) {
  return [...page.querySelectorAll("[data-live]")].map((part) => part.id).join(" ");
}

async function refresh() {
  if (document.hidden || !getSelection().isCollapsed) return true;
  try {
    const answer = await fetch(location.href);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (answer.status === 404) return location.reload();
    if (!answer.ok) throw new Error(answer.statusText);
    if (sections(page) !== sections(document)) {
      put(document.getElementById("main"), page.getElementById("main"));
    } else {
      for (const fresh of [...page.querySelectorAll("[data-live]")]) {
        const part = document.getElementById(fresh.id);
        if (!part.isEqualNode(fresh)) put(part, fresh);
      }
    }
    say("live", "Live");
    status.hidden = page.getElementById("status") === null;
    return !status.hidden;
  } catch {
    say("lost", "The server does not answer; trying again");
    return true;
  }
}

async function loop() {
  if (await refresh()) setTimeout(loop, PAUSE);
}

setTimeout(loop, PAUSE);
