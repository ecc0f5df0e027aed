// The segments of one metric: the best and the worst, and apart from them those with few samples.

import { href, segmentKey, segmentName } from "./address.js";
import { badge, CalmTable, columns, h, panel, s } from "./dom.js";
import { amount, count } from "./format.js";
import { leading } from "./tile.js";

const WHOLE_LIST = 12;
const ENDS = 5;
const UNSURE = 8;

/** Ranked from best to worst, those too uncertain to be, and the words for the two ends. */
function rank(rows, better) {
	const sure = rows.filter((row) => row.value !== null && !row.low_sample && !row.incomplete);
	const unsure = rows.filter((row) => row.value !== null && (row.low_sample || row.incomplete));
	const way = better === "lower" ? 1 : -1;
	sure.sort((a, b) => way * (a.value - b.value) || b.n - a.n);
	unsure.sort((a, b) => b.n - a.n);
	return { sure, unsure, words: better ? ["best", "worst"] : ["highest", "lowest"] };
}

export class Segments extends CalmTable {
	constructor(app, about, by) {
		super();
		this.app = app;
		this.about = about;
		this.by = by;
		this.known = new Map();
		const sets = app.catalogue.segment_sets;
		this.choice = h(
			"select",
			{ "aria-label": "Segments by", onchange: () => app.go({ by: this.choice.value }) },
			...sets.map((names) =>
				h("option", { value: [...names].sort().join(), selected: names === by }, names.join(" × ")),
			),
		);
		this.node = panel(
			"segments-title",
			"Segments",
			this.choice,
			h("table", { class: "segments" }, columns([by.join(" × "), "Value", "95 % interval", "n"]), this.body),
		);
	}

	lines() {
		const { store, view } = this.app;
		const currency = leading(store.of(this.about.name, view.segment))?.currency;
		const rows = store
			.by(this.about.name, this.by)
			.filter((row) => !this.about.per_currency || row.currency === currency);
		const { sure, unsure, words } = rank(rows, this.about.better);
		const [low, high] = scale([...sure, ...unsure.slice(0, UNSURE)]);
		const line = (row) => this.#line(row, low, high);
		const shown = [];
		if (sure.length > WHOLE_LIST) {
			shown.push(head(`The ${ENDS} ${words[0]}`), ...sure.slice(0, ENDS).map(line));
			shown.push(head(`The ${ENDS} ${words[1]} of ${sure.length}`), ...sure.slice(-ENDS).map(line));
		} else if (sure.length) {
			shown.push(head(`From ${words[0]} to ${words[1]}`), ...sure.map(line));
		}
		if (unsure.length) {
			const rest = unsure.length - UNSURE;
			shown.push(head(`Not ranked: too few samples, or incomplete${rest > 0 ? ` (${rest} more)` : ""}`));
			shown.push(...unsure.slice(0, UNSURE).map(line));
		}
		if (!shown.length) shown.push(head("No segment has a reading yet"));
		return shown;
	}

	/** The row of one segment, made once, so that its link keeps the focus. */
	#line(row, low, high) {
		const key = segmentKey(row.segment);
		if (!this.known.has(key)) {
			const link = h("a", { href: href({ ...this.app.view, segment: row.segment }), "data-view": "" }, segmentName(row.segment));
			const whisker = s("svg", { class: "whisker", viewBox: "0 0 100 16", preserveAspectRatio: "none", "aria-hidden": "true" });
			const name = h("th", { scope: "row" }, link, " ");
			const cells = { name, link, whisker, value: h("td"), n: h("td") };
			cells.node = h("tr", {}, name, cells.value, h("td", {}, whisker, (cells.words = h("span", { class: "unseen" }))), cells.n);
			this.known.set(key, cells);
		}
		const cells = this.known.get(key);
		const at = (number) => 4 + (92 * (number - low)) / (high - low || 1);
		const state = row.low_sample || row.incomplete ? badge(row.incomplete ? "incomplete" : "low_sample") : null;
		cells.name.replaceChildren(cells.link, " ", ...(state ? [state] : []));
		cells.node.className = state ? "unsure" : "";
		cells.value.textContent = amount(row.value, row.unit, row.currency);
		cells.n.textContent = count(row.n);
		cells.words.textContent =
			row.low === null ? "no interval" : `${amount(row.low, row.unit, row.currency)} to ${amount(row.high, row.unit, row.currency)}`;
		cells.whisker.replaceChildren(
			...(row.low === null ? [] : [s("path", { class: "stem", d: `M${at(row.low)} 8H${at(row.high)}` })]),
			s("path", { class: "tip", d: `M${at(row.value)} 8h.01` }),
		);
		return cells.node;
	}
}

function scale(rows) {
	const ends = rows.flatMap((row) => [row.low ?? row.value, row.high ?? row.value]);
	return ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
}

function head(text) {
	return h("tr", { class: "rank-head" }, h("th", { colspan: "4", scope: "rowgroup" }, text));
}
