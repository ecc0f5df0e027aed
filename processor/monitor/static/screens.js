// What is shown instead of readings: the first start, a view that is not there; and help.

import { h, s } from "./dom.js";

const wave = () => s("svg", { viewBox: "0 0 72 40", "aria-hidden": "true" }, s("path", { d: "M2 22h16l7-16 13 30 8-20 4 6h20" }));

/** Nothing was published yet. */
export function waiting() {
	return h(
		"div",
		{ class: "waiting" },
		wave(),
		h("h1", {}, "Waiting for the first reading"),
		h("p", {}, "It appears here by itself, about a second after a worker has counted the first event."),
		h("p", {}, "No events at hand? ", h("code", {}, "cxpulse simulate"), " sends some."),
	);
}

/** The address names something that is not there. */
export function missing(what, back) {
	return h("div", { class: "waiting" }, h("h1", {}, what), h("p", {}, h("a", { href: back, "data-view": "" }, "All metrics")));
}

const KEYS = [
	["1 – 9", "the windows, in order"],
	["s", "choose a segment"],
	["a", "all metrics, or the chosen ones"],
	["w", "wallboard, and back"],
	["Space", "on the wallboard: pause, or go on"],
	["← →", "on the wallboard: back and on; in a chart: its points"],
	["t", "theme: auto, light, dark"],
	["Esc", "back to all metrics"],
	["?", "this list"],
];

/** Fill the dialog of shortcuts. */
export function help(dialog) {
	dialog.replaceChildren(
		h("h2", { id: "help-title" }, "Keyboard"),
		h("dl", {}, KEYS.flatMap(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)])),
		h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")),
	);
}
