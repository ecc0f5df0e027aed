// The chosen metrics of one window and segment, as tiles.

import { segmentKey, segmentName, wanted } from "./address.js";
import { Breakdown } from "./breakdown.js";
import { h, heading } from "./dom.js";
import { windowName } from "./format.js";
import { Histories } from "./store.js";
import { Tile, verdict } from "./tile.js";

const LEAD = 4;
const COLUMNS = 6;

export class Overview {
	/** `app` has the catalogue, the store, the view and the status. */
	constructor(app) {
		this.app = app;
		const { view, catalogue } = app;
		const chosen = catalogue.page.metrics.map((name) => catalogue.byName.get(name)).filter(Boolean);
		const others = view.all ? catalogue.metrics.filter((about) => !chosen.includes(about)) : [];
		this.metrics = [...chosen, ...others].map((about) => about.name);
		this.tiles = new Map();
		this.histories = new Histories(view.window);
		const tile = (about) => {
			const made = new Tile(about);
			made.leads(view);
			this.tiles.set(about.name, made);
			return made.node;
		};
		const by = Object.keys(view.segment).length ? null : catalogue.segment_sets[0];
		this.breakdown = by ? new Breakdown(app, chosen.slice(0, COLUMNS), by) : null;
		const more = h(
			"a",
			{ href: app.href({ all: !view.all }), "data-view": "" },
			view.all ? "Only the chosen metrics" : `All ${catalogue.metrics.length} metrics`,
		);
		this.node = h(
			"div",
			{},
			heading(h("h1", {}, segmentName(view.segment)), `the last ${windowName(view.window)}`),
			h("div", { class: "grid-of-tiles lead" }, chosen.slice(0, LEAD).map(tile)),
			h("div", { class: "grid-of-tiles" }, [...chosen.slice(LEAD), ...others].map(tile)),
			this.breakdown?.node,
			catalogue.metrics.length > chosen.length ? h("p", { class: "more" }, more) : null,
		);
	}

	get title() {
		return segmentName(this.app.view.segment);
	}

	/** What the stream is asked for. */
	get query() {
		return wanted(this.app.view, this.metrics, this.breakdown?.by);
	}

	/** Everything may be new. */
	refresh() {
		for (const name of this.tiles.keys()) this.#patch(name);
		this.breakdown?.refresh();
		if (this.histories.all.length) return;
		for (const tile of this.tiles.values()) this.histories.want(tile, this.app.view.segment);
	}

	/** Only these groups are new. */
	patch(groups) {
		const key = segmentKey(this.app.view.segment);
		for (const group of groups) {
			const [name, segment] = group.split("|");
			if (segment === key) this.#patch(name);
			else this.breakdown?.soon();
		}
	}

	tick(elapsed) {
		for (const tile of this.tiles.values()) tile.tick(this.app.status, elapsed);
	}

	close() {
		this.breakdown?.close();
		this.histories.close();
	}

	#patch(name) {
		const tile = this.tiles.get(name);
		if (!tile) return;
		tile.update(this.app.store.of(name, this.app.view.segment), this.app.status);
		if (!tile.row) return;
		const { way, text, mood } = verdict(tile.row, tile.about.better);
		const level = tile.row.target?.level ?? "";
		this.app.voice.fact(name, `${mood} ${way} ${level}`, () =>
			[tile.about.title, tile.value.textContent, text, level && `target ${level}`].filter(Boolean).join(", "),
		);
	}
}
