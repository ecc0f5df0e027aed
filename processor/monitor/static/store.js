// The readings that are known, the newest of each series, and their history for the sparklines.

import { query, segmentKey, segmentText } from "./address.js";
import { pace } from "./format.js";
import { ask } from "./live.js";

/** Of a key `metric|window|segment|currency` what tells whose readings these are. */
function groupOf(key) {
	const [metric, , segment] = key.split("|");
	return `${metric}|${segment}`;
}

/** Rows by metric and segment; money has several of the same, one for each currency. */
export class Store {
	#groups = new Map();

	/** Forget all, and know these. */
	replace(rows) {
		this.#groups.clear();
		this.merge(rows);
	}

	/** Take rows that are newer than what is known. Returns the groups that changed. */
	merge(rows) {
		const changed = new Set();
		for (const row of rows) {
			const name = groupOf(row.key);
			if (!this.#groups.has(name)) this.#groups.set(name, new Map());
			const group = this.#groups.get(name);
			const known = group.get(row.key);
			if (known && known.revision > row.revision) continue;
			group.set(row.key, row);
			changed.add(name);
		}
		return changed;
	}

	/** The rows of a metric in a segment. */
	of(metric, segment) {
		return [...(this.#groups.get(`${metric}|${segmentKey(segment)}`)?.values() ?? [])];
	}

	/** All rows of a metric that are segmented by exactly these dimensions. */
	by(metric, names) {
		const wanted = [...names].sort().join();
		const groups = [...this.#groups].filter(([name]) => name.startsWith(`${metric}|`));
		return groups.flatMap(([, group]) => [...group.values()]).filter((row) => Object.keys(row.segment).sort().join() === wanted);
	}

	get empty() {
		return this.#groups.size === 0;
	}
}

const MOST = 500;

/** The most observed segments by these dimensions: `[{segment, n}]`, largest first. */
export async function segmentsBy(names, { view, catalogue }) {
	const found = new Map();
	let cursor = null;
	do {
		const asked = { metric: catalogue.page.metrics.join(), window: view.window, segment: names.map((n) => `${n}:*`).join(), limit: 1000, cursor };
		const page = await ask(`/api/readings?${query(asked)}`);
		for (const { segment, n } of page.readings) {
			const key = segmentKey(segment);
			if (n > (found.get(key)?.n ?? -1)) found.set(key, { segment, n });
		}
		cursor = page.next;
	} while (cursor && found.size < MOST);
	return [...found.values()].sort((a, b) => b.n - a.n).slice(0, MOST);
}

const AT_ONCE = 3;

/** Fetches history for sparklines, a few at a time, and again when a point must have come. */
export class Histories {
	#wanted = [];
	#running = 0;
	#timer = null;
	#stop = new AbortController();

	constructor(window) {
		this.window = window;
		this.#timer = setInterval(() => this.#again(), pace(window));
		this.all = [];
	}

	/** Keep the line of a tile supplied. */
	want(tile, segment) {
		const one = { tile, segment };
		this.all.push(one);
		this.#wanted.push(one);
		this.#go();
	}

	close() {
		clearInterval(this.#timer);
		this.#stop.abort();
		this.#wanted = [];
	}

	#again() {
		if (document.hidden) return;
		this.#wanted = [...this.all];
		this.#go();
	}

	#go() {
		while (this.#running < AT_ONCE && this.#wanted.length) {
			this.#running += 1;
			this.#fetch(this.#wanted.shift()).finally(() => {
				this.#running -= 1;
				if (!this.#stop.signal.aborted) this.#go();
			});
		}
	}

	async #fetch({ tile, segment }) {
		const { signal } = this.#stop;
		const metric = tile.about.name;
		try {
			const asked = { metric, window: this.window, segment: segmentText(segment), currency: tile.row?.currency, points: 60 };
			const said = await ask(`/api/history?${query(asked)}`, signal);
			if (!signal.aborted) tile.spark.draw(said.points, tile.row);
		} catch (error) {
			// A tile without its line still tells its reading; the stream tells when the link is down.
			if (!error.aborted && error.status !== 404) console.info(`no history of ${metric}: ${error.message}`);
		}
	}
}
