// Alerts: those that fire above everything else, the silenced ones muted, the rest in a list to unfold.

import { href, segmentName } from "./address.js";
import { h, say, shape } from "./dom.js";
import { amount, moment, windowName } from "./format.js";

const ORDER = ["critical", "warning", "info"];
const weight = ({ severity }) => ORDER.indexOf(severity) + 1 || ORDER.length + 1;

/** A time as one says it: its date only where it is not of the last day. */
function when(text) {
	const ms = Date.parse(text);
	return moment(ms, Math.max(3_600, Math.abs(Date.now() - ms) / 1000));
}

export class Alerts {
	constructor(app) {
		this.app = app;
		this.title = h("h2", { id: "alerts-title" });
		this.firing = h("ul");
		this.summary = h("summary");
		this.others = h("ul");
		this.fold = h("details", {}, this.summary, this.others);
		this.node = h("section", { "aria-labelledby": "alerts-title", hidden: true }, this.title, this.firing, this.fold);
	}

	/** Show what the API tells. */
	show({ firing, pending, recent, totals }) {
		const loud = firing.filter((alert) => !alert.silence).sort((a, b) => weight(a) - weight(b) || a.name.localeCompare(b.name));
		const muted = firing.filter((alert) => alert.silence);
		const fires = totals.firing - totals.silenced;
		const focused = this.node.contains(document.activeElement) && document.activeElement.getAttribute("href");
		this.node.className = `alerts ${loud[0]?.severity ?? "calm"}`;
		this.node.hidden = !totals.firing && !totals.pending && !totals.recent;
		say(this.title, `${fires || "No"} ${fires > 1 ? "alerts fire" : fires ? "alert fires" : "alert fires now"}${totals.silenced ? `, ${totals.silenced} silenced` : ""}`);
		this.firing.replaceChildren(...[...loud, ...muted].map((alert) => this.#line(alert)));
		say(this.summary, [totals.pending && `${totals.pending} pending`, totals.recent && `${totals.recent} resolved lately`].filter(Boolean).join(", "));
		this.others.replaceChildren(...[...pending, ...recent].map((alert) => this.#line(alert)));
		this.fold.hidden = !totals.pending && !totals.recent;
		if (focused) [...this.node.querySelectorAll("a")].find((link) => link.getAttribute("href") === focused)?.focus();
		const names = loud.map((alert) => alert.name).join(", ");
		this.app.voice.fact("alerts", names, () => (names ? `Alerts fire: ${names}` : "No alert fires any more"));
	}

	#line(alert) {
		const { name, severity, metric, window, segment, currency, value, unit, silence, state } = alert;
		const { view, catalogue } = this.app;
		const target = { ...view, metric, window: window ?? view.window, segment, wall: false, by: null, all: false };
		const about = [alert.title, window && windowName(window), Object.keys(segment).length && segmentName(segment)];
		const times = { pending: `pending since ${when(alert.since)}`, resolved: `resolved ${when(alert.since)}` };
		return h(
			"li",
			{ class: silence || state === "resolved" ? "muted" : null },
			h("span", { class: `severity ${severity}` }, shape(severity), severity),
			h("b", {}, catalogue.byName.has(metric) ? h("a", { href: href(target), "data-view": "" }, name) : name),
			h("span", {}, about.filter(Boolean).join(" · ")),
			h("span", {}, h("b", {}, value === null ? "no data" : amount(value, unit, currency)), ` ${alert.condition}`),
			h("span", { class: "quiet" }, times[state] ?? `since ${when(alert.starts_at ?? alert.since)}`),
			alert.annotations.summary && h("span", { class: "quiet" }, alert.annotations.summary),
			silence && h("span", { class: "quiet" }, [`silenced until ${when(silence.until)}`, silence.created_by && `by ${silence.created_by}`, silence.comment && `(${silence.comment})`].filter(Boolean).join(" ")),
		);
	}
}
