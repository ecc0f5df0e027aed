// One metric: its history with the interval, how scores are distributed, and its segments.

import { query, segmentName, segmentText } from "./address.js";
import { Chart } from "./charts.js";
import { h, s } from "./dom.js";
import { amount, count, moment, windowName, windowSeconds } from "./format.js";
import { ask } from "./live.js";
import { Segments } from "./segments.js";
import { history } from "./store.js";
import { leading, Tile } from "./tile.js";

const SCORED = new Set(["nps", "csat", "ces"]);
const POINTS = 120;

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
    this.segments = this.by ? new Segments(app, this.about, this.by) : null;
    this.node = h(
      "div",
      {},
      h("a", { class: "back", href: app.href({ metric: null, by: null }), "data-view": "" }, "← All metrics"),
      h(
        "div",
        { class: "where-am-i" },
        h("h1", {}, this.about.title),
        h("p", { class: "quiet" }, `${segmentName(view.segment)}, the last ${windowName(view.window)}`),
      ),
      h("div", { class: "detail" }, this.tile.node, this.#history()),
      h("div", { class: "pair" }, SCORED.has(this.about.name) ? this.#distribution() : null, this.segments?.node),
    );
    const every = Math.min(600, Math.max(10, windowSeconds(view.window) / 60)) * 1000;
    this.timer = setInterval(() => document.hidden || this.#fetch(), every);
  }

  get title() {
    return this.about.title;
  }

  get query() {
    const { window, segment } = this.app.view;
    const all = this.by ? this.by.map((name) => `${name}:*`).join(",") : null;
    return query({ metric: this.about.name, window, segment: [segmentText(segment), all].filter(Boolean) });
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
    return h(
      "section",
      { class: "panel", "aria-labelledby": "history-title" },
      h("div", { class: "bar" }, h("h2", { id: "history-title" }, "History"), this.csv),
      this.chart.node,
      h(
        "details",
        {},
        h("summary", {}, "The same as a table"),
        h(
          "div",
          { class: "scroll", tabindex: "0", role: "region", "aria-label": "History as a table" },
          h(
            "table",
            {},
            h("thead", {}, h("tr", {}, ...["Until", "Value", "Low", "High", "n"].map((name) => h("th", { scope: "col" }, name)))),
            this.rows,
          ),
        ),
      ),
    );
  }

  #distribution() {
    return h(
      "section",
      { class: "panel", "aria-labelledby": "scores-title" },
      h("div", { class: "bar" }, h("h2", { id: "scores-title" }, "Scores"), this.answers),
      h(
        "table",
        { class: "scores" },
        h("thead", {}, h("tr", {}, ...["Score", "Share", "", "Answers"].map((name) => (name ? h("th", { scope: "col" }, name) : h("td"))))),
        this.scores,
      ),
    );
  }

  #now() {
    const { store, view, status } = this.app;
    const had = this.tile.row;
    this.tile.update(store.of(this.about.name, view.segment), status);
    if (this.points && this.tile.row !== had) this.#draw();
  }

  get #series() {
    const { window, segment } = this.app.view;
    return { metric: this.about.name, window, segment, currency: leading(this.tile.rows)?.currency };
  }

  async #fetch() {
    try {
      const [said, scores] = await Promise.all([
        history({ ...this.#series, points: POINTS }, this.stop.signal),
        SCORED.has(this.about.name) ? this.#ask_scores() : null,
      ]);
      this.points = said.points;
      const { segment, ...series } = this.#series;
      this.csv.setAttribute("href", `/api/history?${query({ ...series, segment: segmentText(segment), points: POINTS, format: "csv" })}`);
      this.#draw();
      if (scores) this.#draw_scores(scores);
    } catch (error) {
      if (!error.aborted) console.info(`no history of ${this.about.name}: ${error.message}`);
      if (!this.points && !error.aborted) this.chart.draw([], this.about);
    }
  }

  #ask_scores() {
    const { metric, window, segment } = this.#series;
    return ask(`/api/distribution?${query({ metric, window, segment: segmentText(segment) })}`, this.stop.signal);
  }

  /** History with the reading of now behind it. */
  #draw() {
    const { row } = this.tile;
    const shown = this.points.filter((point) => !row || point.window_end < row.window_end);
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

  #draw_scores({ n, scores }) {
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
