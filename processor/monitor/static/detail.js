// One metric: its history with the interval, how scores are distributed, and its segments.

import { query, segmentName, segmentText, wanted } from "./address.js";
import { Chart } from "./charts.js";
import { columns, h, heading, mark, panel, s } from "./dom.js";
import { amount, count, moment, pace, windowName, windowSeconds } from "./format.js";
import { ask } from "./live.js";
import { Segments } from "./segments.js";
import { Tile } from "./tile.js";

const SCORED = new Set(["nps", "csat", "ces"]);
const SPANS = ["15m", "1h", "6h", "24h", "7d", "30d"];

export class Detail {
	constructor(app) {
		this.app = app;
		const { view, catalogue } = app;
		this.about = catalogue.byName.get(view.metric);
		this.by = this.#dimensions();
		this.stop = new AbortController();
		this.tile = new Tile(this.about, { title: "Now" });
		this.tile.change.after(h("p", { class: "quiet" }, this.about.summary));
		this.chart = new Chart(`History of ${this.about.title}: arrow keys read its points`);
		this.rows = h("tbody");
		this.scores = h("tbody");
		this.answers = h("p", { class: "quiet" });
		this.csv = h("a", { href: "/api/history", download: "history.csv" }, "CSV");
		this.span = h("select", { "aria-label": "How far back", hidden: true, onchange: () => this.#fetch() }, h("option", { value: "0" }, "all that is known"));
		this.segments = this.by ? new Segments(app, this.about, this.by) : null;
		this.node = h(
			"div",
			{},
			h("a", { class: "back", href: app.href({ metric: null, by: null }), "data-view": "" }, "← All metrics"),
			heading(h("h1", {}, this.about.title), `${segmentName(view.segment)}, the last ${windowName(view.window)}`),
			h("div", { class: "detail" }, this.tile.node, this.#history()),
			h("div", { class: "pair" }, SCORED.has(this.about.name) ? this.#distribution() : null, this.segments?.node),
		);
		this.timer = setInterval(() => document.hidden || this.#fetch(), pace(view.window));
	}

	get title() {
		return this.about.title;
	}

	get query() {
		return wanted(this.app.view, [this.about.name], this.by);
	}

	refresh() {
		this.#now();
		this.segments?.refresh();
		this.#fetch();
	}

	patch() {
		this.#now();
		this.segments?.soon();
	}

	tick(elapsed) {
		this.tile.tick(this.app.status, elapsed);
	}

	close() {
		clearInterval(this.timer);
		this.stop.abort();
		this.chart.close();
		this.segments?.close();
	}

	/** The dimensions of the lower table: those asked for, or of the segment, or the first there are. */
	#dimensions() {
		const { view, catalogue } = this.app;
		const sets = catalogue.segment_sets;
		const named = view.by ?? Object.keys(view.segment).sort().join();
		return sets.find((names) => [...names].sort().join() === named) ?? sets[0] ?? null;
	}

	#history() {
		return panel(
			"history-title",
			"History",
			[this.span, this.csv],
			this.chart.node,
			h(
				"details",
				{},
				h("summary", {}, "The same as a table"),
				h(
					"div",
					{ class: "scroll", tabindex: "0", role: "region", "aria-label": "History as a table" },
					h("table", {}, columns(["Until", "Value", "Low", "High", "n"]), this.rows),
				),
			),
		);
	}

	#distribution() {
		const table = h("table", { class: "scores" }, columns(["Score", "Share", "", "Answers"]), this.scores);
		return panel("scores-title", "Scores", this.answers, table);
	}

	#now() {
		const { store, view, status } = this.app;
		const had = this.tile.row;
		this.tile.update(store.of(this.about.name, view.segment), status);
		if (this.points && this.tile.row !== had) this.#draw();
	}

	/** What is asked of the past, and of the distribution. */
	get #asked() {
		const { window, segment } = this.app.view;
		return { metric: this.about.name, window, segment: segmentText(segment) };
	}

	/** Since when (ms): the reading moves on between two fetches. */
	get #since() {
		const { row } = this.tile;
		return row && this.span.value > 0 ? Date.parse(row.window_end) - 1000 * this.span.value : null;
	}

	async #fetch() {
		try {
			const since = this.#since;
			const span = this.span.value;
			const from = since && new Date(since).toISOString();
			const asked = query({ ...this.#asked, currency: this.tile.row?.currency, points: 120, from });
			const [said, scores] = await Promise.all([
				ask(`/api/history?${asked}`, this.stop.signal),
				SCORED.has(this.about.name) ? ask(`/api/distribution?${query(this.#asked)}`, this.stop.signal) : null,
			]);
			if (span !== this.span.value) return; // another was chosen meanwhile
			this.points = said.points;
			mark(this.csv, "href", `/api/history?${asked}&format=csv`);
			this.#spans(said.known_from);
			this.#draw();
			if (scores) this.#drawScores(scores);
		} catch (error) {
			if (!error.aborted) console.info(`no history of ${this.about.name}: ${error.message}`);
			if (!this.points && !error.aborted) this.chart.draw([], this.about);
		}
	}

	/** Offer to look at less than all that is known, as finely as that is kept. */
	#spans(knownFrom) {
		if (!this.span.hidden || !this.tile.row) return;
		const known = (Date.parse(this.tile.row.window_end) - Date.parse(knownFrom)) / 1000;
		const shorter = SPANS.filter((name) => windowSeconds(name) < known);
		this.span.append(...shorter.map((name) => h("option", { value: windowSeconds(name) }, `the last ${windowName(name)}`)));
		this.span.hidden = !shorter.length;
	}

	/** History with the reading of now behind it. */
	#draw() {
		const { row } = this.tile;
		const since = this.#since;
		const shown = this.points.filter((p) => Date.parse(p.window_end) >= since && (!row || p.window_end < row.window_end));
		if (row) shown.push(row);
		const { unit } = row ?? this.about;
		const currency = row?.currency;
		this.chart.draw(shown, { unit, currency });
		const span = shown.length ? (Date.parse(shown.at(-1).window_end) - Date.parse(shown[0].window_end)) / 1000 : 0;
		this.rows.replaceChildren(
			...[...shown].reverse().map((point) =>
				h(
					"tr",
					{},
					h("th", { scope: "row" }, moment(Date.parse(point.window_end), span)),
					...[point.value, point.low, point.high].map((value) => h("td", {}, amount(value, unit, currency))),
					h("td", {}, count(point.n)),
				),
			),
		);
	}

	#drawScores({ n, scores }) {
		this.answers.textContent = `${count(n)} answers`;
		const most = Math.max(1, ...scores.map((each) => each.n));
		this.scores.replaceChildren(
			...scores.map(({ score, n: answers, scale }) =>
				h(
					"tr",
					{},
					h("th", { scope: "row" }, scale ? `${score} of ${scale}` : String(score)),
					h("td", {}, n ? amount((100 * answers) / n, "percent") : "–"),
					h(
						"td",
						{ class: "share" },
						s(
							"svg",
							{ viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
							s("rect", { width: (100 * answers) / most, height: 10 }),
						),
					),
					h("td", {}, count(answers)),
				),
			),
		);
	}
}
