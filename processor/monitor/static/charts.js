// Lines and bands in SVG: a sparkline for a tile, a chart with axes for one metric.

import { h, mark, s, say } from "./dom.js";
import { amount, axisLabel, count, moment, momentsBetween } from "./format.js";

const time = (point) => Date.parse(point.window_end);

/** Smallest and largest of what is drawn, with some air; with the band, so that noise looks like noise. */
function range(points) {
	const values = points.flatMap((p) => [p.value, p.low, p.high].filter((v) => v !== null && v !== undefined));
	if (!values.length) return [0, 1];
	let [low, high] = [Math.min(...values), Math.max(...values)];
	const air = (high - low || Math.abs(high) || 1) * 0.08;
	return [low - air, high + air];
}

/** Runs of points with a value: a gap is not bridged. */
function runs(points, has) {
	const found = [[]];
	for (const point of points) {
		if (has(point)) found.at(-1).push(point);
		else if (found.at(-1).length) found.push([]);
	}
	return found.filter((run) => run.length);
}

const place = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`;

function line(points, x, y) {
	return runs(points, (p) => p.value !== null)
		.map((run) => {
			const at = run.map((p) => place(x(p), y(p.value)));
			return at.length === 1 ? `M${at[0]}h0.01` : `M${at.join("L")}`;
		})
		.join("");
}

function area(points, x, y) {
	return runs(points, (p) => p.low !== null && p.high !== null)
		.filter((run) => run.length > 1)
		.map((run) => {
			const top = run.map((p) => place(x(p), y(p.high)));
			const back = run.map((p) => place(x(p), y(p.low))).reverse();
			return `M${[...top, ...back].join("L")}Z`;
		})
		.join("");
}

/** A sparkline: made once, drawn as often as points come. */
export class Spark {
	constructor() {
		for (const name of ["band", "line", "end"]) this[name] = s("path", { class: name });
		this.node = s(
			"svg",
			{ class: "spark", viewBox: "0 0 200 40", preserveAspectRatio: "none", "aria-hidden": "true" },
			this.band,
			this.line,
			this.end,
		);
		this.points = [];
	}

	/** Draw history, with the reading of now as its last point. */
	draw(points, row) {
		this.points = points ?? this.points;
		const shown = this.points.filter((p) => !row || time(p) < time(row));
		if (row) shown.push(row);
		if (shown.length < 2) {
			for (const path of [this.band, this.line, this.end]) mark(path, "d", null);
			return;
		}
		const [low, high] = range(shown);
		const [from, to] = [time(shown[0]), time(shown.at(-1))];
		const x = (p) => 2 + (194 * (time(p) - from)) / (to - from || 1);
		const y = (v) => Math.max(0, Math.min(40, 37 - (34 * (v - low)) / (high - low)));
		mark(this.line, "d", line(shown, x, y) || null);
		mark(this.band, "d", area(shown, x, y) || null);
		const last = shown.at(-1);
		mark(this.end, "d", last.value === null ? null : `M${place(x(last), y(last.value))}h0.01`);
	}
}

/** Round steps for an axis. */
function ticks(low, high, about) {
	const rough = (high - low) / about;
	const power = 10 ** Math.floor(Math.log10(rough));
	const step = [1, 2, 5, 10].map((m) => m * power).find((each) => each >= rough);
	const found = [];
	for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(Number(at.toPrecision(12)));
	return found;
}

/**
 * The history of one metric: a line in its interval's band, with axes. The pointer and the arrow
 * keys choose a point, which is read out in words.
 */
export class Chart {
	#points = [];
	#about = {};
	#chosen = null;
	#place = null;

	constructor(title) {
		this.plot = s("svg", { class: "plot", "aria-hidden": "true" });
		this.readout = h("p", { class: "readout" });
		this.frame = h(
			"div",
			{
				class: "frame",
				role: "slider",
				tabindex: "0",
				"aria-label": title,
				"aria-valuemin": 0,
				onkeydown: (event) => this.#key(event),
				onpointermove: (event) => this.#point(event),
				onpointerdown: (event) => this.#point(event),
				onpointerleave: () => this.#choose(null),
			},
			this.plot,
		);
		this.node = h("div", { class: "chart" }, this.frame, this.readout);
		this.#tell();
		this.resized = new ResizeObserver(() => this.#render());
		this.resized.observe(this.frame);
	}

	/** `about` tells unit and currency. */
	draw(points, about) {
		this.#points = points;
		this.#about = about;
		if (this.#chosen !== null) this.#chosen = Math.min(this.#chosen, points.length - 1);
		this.#render();
	}

	close() {
		this.resized.disconnect();
	}

	#text(point) {
		const { unit, currency } = this.#about;
		const span = this.#span();
		const value = point.value === null ? "no data" : amount(point.value, unit, currency);
		const band = point.low === null ? "" : `, ${amount(point.low, unit, currency)} to ${amount(point.high, unit, currency)}`;
		const doubt = [point.low_sample && "low sample", point.incomplete && "incomplete"].filter(Boolean);
		return [`${moment(time(point), span)}: ${value}${band}, n ${count(point.n)}`, ...doubt].join(", ");
	}

	#span() {
		return this.#points.length ? (time(this.#points.at(-1)) - time(this.#points[0])) / 1000 : 0;
	}

	#render() {
		const width = this.frame.clientWidth;
		const height = this.frame.clientHeight;
		if (!width || !height) return;
		mark(this.plot, "viewBox", `0 0 ${width} ${height}`);
		const points = this.#points;
		if (points.length < 2) {
			this.plot.replaceChildren(
				s("text", { class: "label", x: width / 2, y: height / 2, "text-anchor": "middle" }, "Not enough history yet"),
			);
			this.#tell();
			return;
		}
		const { unit, currency } = this.#about;
		const [low, high] = range(points);
		const marks = ticks(low, high, height > 200 ? 5 : 3);
		const labels = marks.map((each) => axisLabel(each, unit, currency));
		const left = 14 + Math.max(...labels.map((text) => text.length)) * 7.2;
		const [right, top, bottom] = [14, 10, 28];
		const [from, to] = [time(points[0]), time(points.at(-1))];
		const x = (p) => left + ((width - left - right) * ((p.at ?? time(p)) - from)) / (to - from || 1);
		const y = (v) => top + (height - top - bottom) * (1 - (v - low) / (high - low));
		const rows = marks.map((each, at) => [
			s("path", { class: each === 0 ? "grid zero" : "grid", d: `M${left} ${y(each)}H${width - right}` }),
			s("text", { class: "label", x: left - 8, y: y(each) + 4, "text-anchor": "end" }, labels[at]),
		]);
		const many = Math.max(3, Math.min(8, Math.floor((width - left) / 110)));
		const columns = momentsBetween(from, to, many).map((at) => {
			const place = Math.min(x({ at }), width - 24);
			return s("text", { class: "label", x: place, y: height - 8, "text-anchor": "middle" }, moment(at, this.#span()));
		});
		const low_samples = points
			.filter((p) => p.value !== null && (p.low_sample || p.incomplete))
			.map((p) => s("circle", { class: "doubt", cx: x(p), cy: y(p.value), r: 2.5 }));
		const cursor = s("g", { class: "cursor" });
		this.#place = { x, y, top, bottom: height - bottom, cursor };
		this.plot.replaceChildren(
			...rows.flat(),
			...columns,
			s("path", { class: "band", d: area(points, x, y) }),
			s("path", { class: "line", d: line(points, x, y) }),
			...low_samples,
			cursor,
		);
		this.#tell();
	}

	#tell() {
		const last = this.#points.length - 1;
		const at = this.#chosen ?? last;
		const point = this.#points[at];
		const text = point ? this.#text(point) : "No points";
		mark(this.frame, "aria-valuemax", Math.max(0, last));
		mark(this.frame, "aria-valuenow", Math.max(0, at));
		mark(this.frame, "aria-valuetext", text);
		say(this.readout, text);
		if (!this.#place || !point || last < 1) return;
		const { x, y, top, bottom, cursor } = this.#place;
		cursor.replaceChildren();
		if (this.#chosen !== null) cursor.append(s("path", { class: "hair", d: `M${x(point)} ${top}V${bottom}` }));
		if (point.value !== null) cursor.append(s("circle", { class: "dot", cx: x(point), cy: y(point.value), r: 4.5 }));
	}

	#choose(at) {
		if (at === this.#chosen) return;
		this.#chosen = at;
		this.#tell();
	}

	#point(event) {
		if (!this.#place || this.#points.length < 2) return;
		const at = event.clientX - this.frame.getBoundingClientRect().left;
		let best = 0;
		this.#points.forEach((p, index) => {
			if (Math.abs(this.#place.x(p) - at) < Math.abs(this.#place.x(this.#points[best]) - at)) best = index;
		});
		this.#choose(best);
	}

	#key(event) {
		const last = this.#points.length - 1;
		const at = this.#chosen ?? last;
		const to = { ArrowLeft: at - 1, ArrowDown: at - 1, ArrowRight: at + 1, ArrowUp: at + 1, PageDown: at - 10, PageUp: at + 10, Home: 0, End: last }[event.key];
		if (event.key === "Escape" && this.#chosen !== null) {
			event.stopPropagation();
			this.#choose(null);
		}
		if (to === undefined || last < 0) return;
		event.preventDefault();
		event.stopPropagation();
		this.#choose(Math.max(0, Math.min(last, to)));
	}
}
