// The path below which a proxy serves the pages; "" for none. Paths in data attributes are without it.
export const at = (path) => document.documentElement.dataset.root + path;
