// The colours of the style sheet, and numbers, times and names as text.
export function look() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const all = (name, count) => Array.from({ length: count }, (_, index) => colour(`${name}-${index + 1}`));
  return {
    paper: colour("card"),
    ink: colour("ink"),
    quiet: colour("quiet"),
    rule: colour("rule"),
    line: colour("line"),
    accent: colour("accent"),
    marks: {
      succeeded: colour("dot"),
      stopped: colour("violet"),
      failed: colour("amber"),
      running: colour("blue"),
      queued: colour("gray"),
      lost: colour("red"),
    },
    scale: all("scale", 5),
    series: all("series", 6),
    font: getComputedStyle(document.body).fontFamily,
  };
}

export const WORDS = {
  succeeded: "succeeded",
  stopped: "stopped early",
  failed: "failed",
  running: "running",
  queued: "queued",
  lost: "lease lost",
};

// Marks that reorder text, hide it or are invisible, as the server shows them.
const INVISIBLE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
export const visible = (text) => text.replace(INVISIBLE, (one) => `[U+${one.codePointAt(0).toString(16).toUpperCase().padStart(4, "0")}]`);

// Five digits that matter, as the server writes numbers.
export function text(value) {
  if (typeof value !== "number") return value === null || value === undefined ? "–" : visible(String(value));
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-4 || size >= 1e9)) return value.toExponential(4).replace(/\.?0+e/, "e").replace("e+", "e");
  return String(Number(value.toPrecision(5)));
}

// For the marks of an axis: fewer digits.
export function mark(value) {
  if (typeof value !== "number") return visible(String(value));
  const size = Math.abs(value);
  if (value !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2).replace(/\.?0+e/, "e").replace("e+", "e");
  return String(Number(value.toPrecision(4)));
}

export function short(given, most = 24) {
  const name = visible(given);
  const tail = Math.floor((most - 1) / 2);
  return name.length <= most ? name : `${name.slice(0, most - 1 - tail)}…${name.slice(-tail)}`;
}

const UNITS = [["d", 86400, 3], ["h", 3600, 3], ["min", 60, 3]];

// The unit in which times up to `most` seconds are easy to read, and its length in seconds.
export function unitOf(most) {
  const [unit, length] = UNITS.find(([, length, least]) => most >= least * length) ?? ["s", 1];
  return { unit, length };
}

export function lasting(seconds) {
  const { unit, length } = unitOf(seconds / 1.0001);
  return `${text(Number((seconds / length).toPrecision(3)))} ${unit}`;
}
