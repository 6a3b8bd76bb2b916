// Shows times as "5 min ago", with the exact time in the reader's zone on hover. Without it they are shown in UTC.
const UNITS = [["d", 86400], ["h", 3600], ["min", 60]];
const EXACT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "long" });

function ago(seconds) {
  if (seconds < 1) return "just now";
  const [unit, length] = UNITS.find(([, length]) => seconds >= length) ?? ["s", 1];
  return `${Math.floor(seconds / length)} ${unit} ago`;
}

// As the server writes the durations of finished trials.
function lasting(seconds) {
  const pad = (value) => String(Math.floor(value)).padStart(2, "0");
  if (seconds < 60) return `${Math.max(0, Math.floor(seconds))} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${pad(seconds % 60)} s`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ${pad((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86400)} d ${Math.floor((seconds % 86400) / 3600)} h`;
}

export function showTimes(root) {
  const now = Date.now();
  for (const element of root.querySelectorAll("time")) {
    const then = Date.parse(element.dateTime);
    const text = "lasting" in element.dataset ? lasting((now - then) / 1000) : ago((now - then) / 1000);
    if (element.textContent !== text) element.textContent = text;
    element.title ||= EXACT.format(then);
  }
}
