// Elements are made by calls, and what was read is only ever text: no markup is parsed anywhere.

const SVG = "http://www.w3.org/2000/svg";

/** An HTML element. `on…` are listeners, `class` and the rest attributes; null and false are left out. */
export function h(tag, attributes = {}, ...children) {
	return fill(document.createElement(tag), attributes, children);
}

/** An SVG element. */
export function s(tag, attributes = {}, ...children) {
	return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
	for (const [name, value] of Object.entries(attributes)) {
		if ((value ?? false) === false) continue;
		if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
		else element.setAttribute(name, value === true ? "" : String(value));
	}
	element.append(...children.flat(2).filter((child) => (child ?? false) !== false));
	return element;
}

/** A section of the page; `beside` stands in the line of its heading. */
export function panel(id, title, beside, ...children) {
	return h("section", { class: "panel", "aria-labelledby": id }, h("div", { class: "bar" }, h("h2", { id }, title), beside), children);
}

/** The head of a table; a column without a name has no header. */
export function columns(names) {
	return h("thead", {}, h("tr", {}, names.map((name) => h(name ? "th" : "td", { scope: name ? "col" : null }, name))));
}

/** What a screen shows, above it all. */
export function heading(title, about) {
	return h("div", { class: "where-am-i" }, title, h("p", { class: "quiet" }, about));
}

/** A table made anew at most every two seconds: one that flickers cannot be read. `lines()` makes it. */
export class CalmTable {
	body = h("tbody");
	#timer = null;

	soon() {
		this.#timer ??= setTimeout(() => this.refresh(), 2_000);
	}

	close() {
		clearTimeout(this.#timer);
	}

	refresh() {
		this.close();
		this.#timer = null;
		const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
		this.body.replaceChildren(...this.lines());
		focused?.focus();
	}
}

/** Set a text if it differs: screen readers and layout are left alone otherwise. */
export function say(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

/** Set or remove an attribute if it differs. */
export function mark(element, name, value) {
	if ((value ?? false) === false) element.removeAttribute(name);
	else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, String(value));
}

const SHAPES = {
	good: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13z",
	fair: "M8 1.8 15 14H1z",
	poor: "M8 .8 15.2 8 8 15.2.8 8z",
	up: "M8 2 14.5 9.5H10V14H6V9.5H1.5z",
	down: "M8 14 1.5 6.5H6V2h4v4.5h4.5z",
	flat: "M1.5 5h13v2h-13zM1.5 9h13v2h-13z",
	low_sample: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 1.6V8h4.4A4.4 4.4 0 1 1 8 3.6z",
	provisional: "M2 7h3v2H2zm4.5 0h3v2h-3zM11 7h3v2h-3z",
	incomplete: "M2 2h12v12H2zm1.6 1.6v8.8H8V3.6z",
	no_data: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zm0 1.6c1 0 2 .3 2.7.9L4.5 10.7A4.4 4.4 0 0 1 8 3.6zm0 8.8c-1 0-2-.3-2.7-.9l6.2-6.2A4.4 4.4 0 0 1 8 12.4z",
	stale: "M8 1.5a6.5 6.5 0 1 0 0 13a6.5 6.5 0 0 0 0-13zM7.2 4h1.6v4.2l2.8 1.7-.8 1.3-3.6-2.2z",
	critical: "M5 1h6l4 4v6l-4 4H5l-4-4V5z",
};
SHAPES.warning = SHAPES.fair;

/** A small shape that says with form what its neighbours say with words and colour. */
export function shape(name) {
	return s(
		"svg",
		{ viewBox: "0 0 16 16", class: `shape ${name}`, "aria-hidden": "true" },
		s("path", { d: SHAPES[name] ?? SHAPES.good, "fill-rule": "evenodd" }),
	);
}

const MEANINGS = {
	no_data: "Nothing was observed in this window",
	low_sample: "Too few observations to rely on",
	provisional: "Late events may still change it",
	incomplete: "Events of this window may be missing",
	stale: "No new reading has come for a while",
};

/** A badge for the state of a reading; null for `ok`. */
export function badge(state) {
	if (!(state in MEANINGS)) return null;
	return h("span", { class: `badge ${state}`, title: MEANINGS[state] }, shape(state), state.replace("_", " "));
}
