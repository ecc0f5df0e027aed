// The chosen metrics by the values of a dimension, as a table: where to look next.

import { href, segmentKey, segmentName } from "./address.js";
import { badge, CalmTable, columns, h, shape } from "./dom.js";
import { amount, count, difference } from "./format.js";
import { interval, leading, verdict } from "./tile.js";

const MOST = 8;

export class Breakdown extends CalmTable {
	constructor(app, metrics, by) {
		super();
		this.app = app;
		this.metrics = metrics;
		this.by = by;
		this.links = new Map();
		this.node = h(
			"section",
			{ class: "panel breakdown", "aria-labelledby": "breakdown-title", hidden: true },
			h("h2", { id: "breakdown-title" }, `By ${by.join(" × ")}`),
			h(
				"div",
				{ class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "breakdown-title" },
				h("table", {}, columns([by.join(" × "), ...metrics.map((about) => about.title)]), this.body),
			),
		);
	}

	lines() {
		const found = new Map();
		for (const { name } of this.metrics)
			for (const row of this.app.store.by(name, this.by)) {
				const key = segmentKey(row.segment);
				const line = found.get(key) ?? { key, segment: row.segment, n: 0, rows: new Map() };
				line.n = Math.max(line.n, row.n);
				line.rows.set(name, [...(line.rows.get(name) ?? []), row]);
				found.set(key, line);
			}
		const lines = [...found.values()].sort((a, b) => b.n - a.n || a.key.localeCompare(b.key)).slice(0, MOST);
		this.node.hidden = !lines.length;
		return lines.map((line) =>
			h("tr", {}, h("th", { scope: "row" }, this.#link(line)), this.metrics.map((about) => cell(about, line.rows.get(about.name) ?? []))),
		);
	}

	#link({ key, segment }) {
		if (!this.links.has(key))
			this.links.set(key, h("a", { href: href({ ...this.app.view, segment }), "data-view": "" }, segmentName(segment)));
		return this.links.get(key);
	}
}

function cell(about, rows) {
	const row = leading(rows);
	if (row === null || row.value === null) return h("td", { class: "unsure" }, "–");
	const { way, mood, text } = verdict(row, about.better);
	const doubt = row.low_sample || row.incomplete;
	const title = [interval(row), `n ${count(row.n)}`, `${difference(row.change, row.unit, row.currency)} ${text}`.trim()].filter(Boolean).join(" · ");
	const told = row.significant && way ? h("span", { class: `way ${mood}` }, shape(way), h("span", { class: "unseen" }, text)) : null;
	return h(
		"td",
		{ title, class: doubt ? "unsure" : null },
		doubt ? badge(row.incomplete ? "incomplete" : "low_sample") : told,
		" ",
		row.target && !doubt ? h("span", { class: row.target.level }, shape(row.target.level), h("span", { class: "unseen" }, row.target.level)) : null,
		" ",
		amount(row.value, row.unit, row.currency),
	);
}
