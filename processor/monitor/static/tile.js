// One metric at a glance: number, interval, change, sample, target, trend and age.

import { href } from "./address.js";
import { Spark } from "./charts.js";
import { badge, h, mark, say, shape } from "./dom.js";
import { ago, amount, count, difference, parts, windowName } from "./format.js";

/** The row of the most observations; money has one for each currency. */
export function leading(rows) {
	return rows.reduce((best, row) => (best === null || row.n > best.n ? row : best), null);
}

/** What a change says: which way, how sure, and whether that is good. */
export function verdict(row, better) {
	if (row.value === null) return { way: null, text: "Nothing to compare", mood: "calm" };
	if (row.change === null || row.change === undefined)
		return { way: null, text: "No earlier window to compare", mood: "calm" };
	const size = difference(row.change, row.unit, row.currency);
	const before = `the ${windowName(row.window)} before`;
	if (row.significant === false)
		return { way: "flat", size, text: `no clear change from ${before}`, mood: "calm" };
	const way = row.change > 0 ? "up" : row.change < 0 ? "down" : "flat";
	if (way === "flat") return { way, size, text: `the same as ${before}`, mood: "calm" };
	const than = `${way === "up" ? "higher" : "lower"} than ${before}`;
	// Without an interval nobody knows whether it is chance: it is told, and not judged.
	if (row.significant === null) return { way, size, text: than, mood: "calm" };
	const good = better && (way === "up") === (better === "higher");
	return { way, size, text: `significantly ${than}`, mood: better ? (good ? "good" : "poor") : "calm" };
}

/** Put a value into an element, its unit smaller than its digits. */
function writeValue(element, value, unit, currency) {
	const pieces = parts(value, unit, currency);
	const whole = pieces.map((piece) => piece.text).join("");
	if (element.dataset.text === whole) return;
	element.dataset.text = whole;
	mark(element, "data-long", whole.length > 11 ? "2" : whole.length > 8 ? "1" : null);
	element.replaceChildren(
		...pieces.map(({ text, small }) => (small ? h("small", {}, text) : text)),
	);
}

/** The words of an interval; empty where the metric has none. */
export function interval(row) {
	if (row.low === null || row.high === null) return "";
	const confidence = Math.round(100 * (row.confidence ?? 0.95));
	return `${amount(row.low, row.unit, row.currency)} to ${amount(row.high, row.unit, row.currency)} (${confidence} %)`;
}

/** The chip of a target's level, by shape, word and colour. */
export function level(target) {
	return target && h("span", { class: `level ${target.level}` }, shape(target.level), target.label);
}

/** A tile: made once for a metric, patched with each of its readings. */
export class Tile {
	/** `about` is the metric of the catalogue; its title links to more unless another `title` is given. */
	constructor(about, { title = null } = {}) {
		this.about = about;
		this.spark = new Spark();
		this.rows = [];
		this.link = title === null ? h("a", { href: "/", "data-view": "" }, about.title) : null;
		for (const name of ["value", "interval", "change", "others", "target"]) this[name] = h("p", { class: name });
		for (const name of ["badges", "sample", "age"]) this[name] = h("span", { class: name });
		this.node = h(
			"article",
			{ class: "tile", "data-metric": about.name },
			h("header", {}, h("h2", {}, this.link ?? title), this.badges),
			this.value,
			this.interval,
			this.change,
			about.per_currency ? this.others : null,
			this.target,
			this.spark.node,
			h("footer", {}, this.sample, this.age),
		);
		this.update([], null);
	}

	/** Where the heading leads. */
	leads(view) {
		if (this.link) mark(this.link, "href", href({ ...view, metric: this.about.name, wall: false }));
	}

	/** Patch with the rows of this metric: one, or one for each currency. */
	update(rows, status) {
		this.rows = rows;
		const row = leading(rows);
		this.row = row;
		const state = row === null ? "no_data" : row.state;
		const stale = Boolean(status?.stale);
		mark(this.node, "data-state", state);
		mark(this.node, "data-stale", stale ? "1" : null);
		mark(this.node, "data-level", row?.target?.level ?? null);
		const shown = [state, stale ? "stale" : "ok"].join();
		if (this.shown !== shown) {
			this.shown = shown;
			// What is stale will not be corrected soon either: one word is enough, and nothing moves.
			const own = stale && state === "provisional" ? null : badge(state);
			this.badges.replaceChildren(...[own, stale ? badge("stale") : null].filter(Boolean));
		}
		if (row === null) {
			writeValue(this.value, null);
			for (const part of [this.interval, this.change, this.sample, this.others]) say(part, "");
			this.target.replaceChildren();
			this.spark.draw([], null);
			return;
		}
		writeValue(this.value, row.value, row.unit, row.currency);
		say(this.interval, row.value === null ? "" : interval(row) || "no interval");
		this.#change(verdict(row, this.about.better));
		const label = row.target ? `${row.target.level} ${row.target.label}` : "";
		if (this.target.dataset.label !== label) {
			this.target.dataset.label = label;
			this.target.replaceChildren(level(row.target) ?? "");
		}
		say(this.sample, `n ${count(row.n)}`);
		const more = rows.filter((each) => each !== row).sort((a, b) => b.n - a.n);
		say(this.others, more.map((each) => amount(each.value, each.unit, each.currency)).join(" · "));
		this.spark.draw(null, row.value === null ? null : row);
	}

	/** The age of the reading: how long ago it last changed. */
	tick(status, elapsed) {
		if (!this.row || !status?.as_of) return say(this.age, "");
		const behind = (Date.parse(status.as_of) - Date.parse(this.row.as_of)) / 1000;
		say(this.age, ago(Math.max(0, behind) + (status.age_s ?? 0) + elapsed));
	}

	#change({ way, size, text, mood }) {
		const all = `${way} ${size} ${text} ${mood}`;
		if (this.change.dataset.all === all) return;
		this.change.dataset.all = all;
		this.change.className = `change ${mood}`;
		this.change.replaceChildren(
			...(way ? [shape(way), h("b", {}, size), " "] : []),
			h("span", {}, text),
		);
	}
}
