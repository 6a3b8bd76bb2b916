// The path below which a proxy serves the pages; "" for none. Paths in data attributes are without it.
export const at = (path) => document.documentElement.dataset.root + path;

// A path of an address without it: pages answer with it and without it.
export const below = (path) => (path.startsWith(at("/")) ? path.slice(at("").length) : path);
