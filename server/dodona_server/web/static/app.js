// The page's entry: each module looks after the elements of its kind.
import { showTimes } from "./times.js";
import "./live.js";
import "./actions.js";
import "./forms.js";
import "./builder.js";
import "./keys.js";

document.documentElement.classList.add("script");
showTimes(document);
setInterval(() => showTimes(document), 10_000);

// Only pages with figures load what draws them; without it the server's drawings stay.
if (document.body.dataset.figures !== undefined) import("./figures.js").catch(() => {});
