// Files of a figure: a picture in two formats, and its numbers as CSV.
const PICTURE_WIDTH = 960;

function save(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function cell(value) {
  const text = value === null || value === undefined ? "" : String(value);
  // A spreadsheet must not run what a name contains.
  const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export function saveTable(rows, name) {
  save(new Blob([rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }), `${name}.csv`);
}

export function savePicture(chart, background, name) {
  chart.renderToCanvas({ pixelRatio: 2, backgroundColor: background }).toBlob((content) => save(content, `${name}.png`));
}

export function saveDrawing(echarts, option, height, name) {
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: PICTURE_WIDTH, height });
  chart.setOption({ ...option, animation: false });
  save(new Blob([chart.renderToSVGString()], { type: "image/svg+xml" }), `${name}.svg`);
  chart.dispose();
}
