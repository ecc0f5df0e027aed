// The choice of window and segment.

import { href, segmentKey, segmentName } from "./address.js";
import { h } from "./dom.js";
import { windowName, windowShort } from "./format.js";
import { segmentsBy } from "./store.js";

const OLD_MS = 30_000;

export class Controls {
	constructor(app, node) {
		this.app = app;
		this.windows = h("ul", { class: "windows" });
		this.dimension = h("select", { id: "dimension", "aria-label": "Segment by", onchange: () => this.#choose() });
		this.value = h("select", { id: "segment", "aria-label": "Segment", onchange: () => this.#pick() });
		this.value.addEventListener("focus", () => this.#load());
		node.replaceChildren(this.windows, h("div", { class: "segment" }, this.dimension, this.value));
		this.names = null;
		this.found = [];
		this.read = 0;
	}

	/** Show what the view asks for. */
	show() {
		const { view, catalogue } = this.app;
		this.windows.replaceChildren(
			...catalogue.windows.map((name) =>
				h(
					"li",
					{},
					h(
						"a",
						{ href: href({ ...view, window: name }), "data-view": "", "data-window": name, title: `The last ${windowName(name)}`, "aria-current": name === view.window ? "true" : null },
						windowShort(name),
					),
				),
			),
		);
		const chosen = Object.keys(view.segment).sort().join();
		const sets = catalogue.segment_sets.map((names) => [...names].sort());
		if (chosen && !sets.some((names) => names.join() === chosen)) sets.push(chosen.split(","));
		this.dimension.replaceChildren(
			h("option", { value: "" }, "Everything"),
			...sets.map((names) => h("option", { value: names.join() }, `by ${names.join(" × ")}`)),
		);
		this.dimension.value = chosen;
		const names = chosen ? chosen.split(",") : null;
		if (names?.join() !== this.names?.join()) [this.found, this.read] = [[], 0];
		this.names = names;
		this.value.hidden = names === null;
		if (names) {
			this.#options();
			this.#load();
		}
	}

	#options() {
		const { segment } = this.app.view;
		const chosen = segmentKey(segment);
		const all = this.found.some((each) => segmentKey(each.segment) === chosen) ? this.found : [{ segment }, ...this.found];
		this.value.replaceChildren(
			...all.map((each) => h("option", { value: segmentKey(each.segment) }, segmentName(each.segment))),
		);
		this.value.value = chosen;
		this.all = all;
	}

	async #load() {
		const names = this.names;
		if (!names || Date.now() - this.read < OLD_MS) return;
		this.read = Date.now();
		try {
			const found = await segmentsBy(names, this.app);
			if (names !== this.names) return;
			this.found = found;
			this.#options();
		} catch (error) {
			this.read = 0;
			console.info(`no values of ${names}: ${error.message}`);
		}
	}

	async #choose() {
		const asked = this.dimension.value;
		if (!asked) return this.app.go({ segment: {} });
		try {
			const found = await segmentsBy(asked.split(","), this.app);
			if (this.dimension.value !== asked) return;
			if (found.length) {
				[this.names, this.found, this.read] = [asked.split(","), found, Date.now()];
				return this.app.go({ segment: found[0].segment });
			}
		} catch (error) {
			console.info(`no values of ${asked}: ${error.message}`);
		}
		this.app.voice.tell("segment", `No values by ${asked} yet`);
		this.show();
	}

	#pick() {
		const chosen = this.all.find((each) => segmentKey(each.segment) === this.value.value);
		if (chosen) this.app.go({ segment: chosen.segment });
	}
}
