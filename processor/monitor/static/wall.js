// The wallboard: big type, one segment after the other, at a pace of its own, and pausable.

import { segmentName, segmentText, wanted } from "./address.js";
import { h, heading, say } from "./dom.js";
import { windowName } from "./format.js";
import { Histories } from "./store.js";
import { Tile } from "./tile.js";

const PACE_S = 15;
const A_SLIDE = 4;
const SEGMENTS = 8;

export class Wall {
	constructor(app) {
		this.app = app;
		const { view, catalogue } = app;
		this.metrics = (view.metric ? [view.metric] : catalogue.page.metrics).map((name) => catalogue.byName.get(name)).filter(Boolean);
		this.by = Object.keys(view.segment).length ? null : (catalogue.segment_sets[0] ?? null);
		this.pace = view.pace ?? PACE_S;
		this.paused = false;
		this.at = 0;
		this.spent = 0;
		this.tiles = new Map();
		this.histories = null;
		this.heading = h("h1", {}, segmentName(view.segment));
		this.slide = h("div", { class: "grid-of-tiles" });
		this.place = h("span");
		this.along = h("i");
		this.pause = h("button", { type: "button", onclick: () => this.hold(!this.paused) }, "Pause");
		this.node = h(
			"div",
			{ class: "board" },
			heading(this.heading, `the last ${windowName(view.window)}`),
			this.slide,
			h(
				"div",
				{ class: "wall-bar" },
				this.pause,
				h("button", { type: "button", onclick: () => app.leaveWall() }, "Leave"),
				this.place,
				h("span", { class: "along", "aria-hidden": "true" }, this.along),
				(this.pulse = h("p", { class: "pulse" }, h("span", { class: "lamp", "aria-hidden": "true" }), h("span", { class: "text" }))),
			),
		);
		this.timer = setInterval(() => this.#step(), 250);
	}

	get title() {
		return "Wallboard";
	}

	get query() {
		return wanted(this.app.view, this.metrics.map((about) => about.name), this.by);
	}

	refresh() {
		this.#show(this.at);
	}

	patch(groups) {
		for (const group of groups) {
			const tile = this.tiles.get(group.split("|")[0]);
			if (tile) this.#patch(tile);
		}
	}

	tick(elapsed) {
		for (const tile of this.tiles.values()) tile.tick(this.app.status, elapsed);
	}

	/** Stay on this slide, or go on. */
	hold(paused) {
		this.paused = paused;
		say(this.pause, paused ? "Go on" : "Pause");
	}

	/** The slide that is so many further. */
	turn(by) {
		this.spent = 0;
		this.#show(this.at + by);
	}

	close() {
		clearInterval(this.timer);
		this.histories?.close();
	}

	/** What there is to show now: the segment asked for, then the largest of the first dimension. */
	#slides() {
		const { view, store } = this.app;
		const chunks = [];
		for (let at = 0; at < this.metrics.length; at += A_SLIDE) chunks.push(this.metrics.slice(at, at + A_SLIDE));
		const slides = chunks.map((some) => ({ segment: view.segment, some }));
		if (!this.by || !chunks.length) return slides;
		const sizes = new Map();
		for (const about of chunks[0])
			for (const row of store.by(about.name, this.by)) {
				const text = segmentText(row.segment);
				if (row.n > (sizes.get(text)?.n ?? 0)) sizes.set(text, row);
			}
		const largest = [...sizes.values()].sort((a, b) => b.n - a.n).slice(0, SEGMENTS);
		return [...slides, ...largest.map((row) => ({ segment: row.segment, some: chunks[0] }))];
	}

	#show(at) {
		const slides = this.#slides();
		if (!slides.length) return;
		this.at = (at + slides.length) % slides.length;
		const { segment, some } = slides[this.at];
		const name = `${segmentText(segment)} ${some.map((about) => about.name).join()}`;
		say(this.place, `${this.at + 1} of ${slides.length}`);
		if (this.shown === name) {
			for (const tile of this.tiles.values()) this.#patch(tile);
			return;
		}
		this.shown = name;
		this.segment = segment;
		this.histories?.close();
		this.histories = new Histories(this.app.view.window);
		say(this.heading, segmentName(segment));
		this.tiles = new Map(some.map((about) => [about.name, new Tile(about)]));
		const slide = h("div", { class: "grid-of-tiles slide", "data-many": some.length });
		for (const tile of this.tiles.values()) {
			tile.leads({ ...this.app.view, segment });
			slide.append(tile.node);
			this.#patch(tile);
			this.histories.want(tile, segment);
		}
		this.slide.replaceWith(slide);
		this.slide = slide;
	}

	#patch(tile) {
		tile.update(this.app.store.of(tile.about.name, this.segment), this.app.status);
	}

	#step() {
		if (this.paused || document.hidden || this.app.store.empty) return;
		this.spent += 0.25;
		if (this.spent >= this.pace) this.turn(1);
		this.along.style.width = `${(100 * this.spent) / this.pace}%`;
	}
}
