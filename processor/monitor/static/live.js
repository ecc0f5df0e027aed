// The stream of readings: opened, resumed, opened again with patience, and watched for silence.

const FIRST_MS = 400;
const LONGEST_MS = 15_000;
const SILENT_MS = 20_000;

/** Fetch JSON of the API. Throws an Error whose `status` is HTTP's, or 0 where nothing answered. */
export async function ask(path, signal) {
	let answer;
	try {
		answer = await fetch(path, { signal, headers: { accept: "application/json" } });
	} catch (error) {
		throw Object.assign(new Error(String(error)), { status: 0, aborted: error.name === "AbortError" });
	}
	if (!answer.ok) {
		const problem = await answer.json().catch(() => ({}));
		const said = problem.detail ?? problem.title ?? answer.statusText;
		throw Object.assign(new Error(said), { status: answer.status });
	}
	return answer.json();
}

/** One stream at a time. `on` has a function for each event, for the link, and for a session that ended. */
export class Live {
	#on;
	#query = "";
	#source = null;
	#lastId = null;
	#failures = 0;
	#timer = null;
	#watch = null;
	#heard = 0;
	#downSince = null;
	#turn = 0;

	constructor(on) {
		this.#on = on;
		addEventListener("online", () => this.again());
	}

	/** Follow the readings of a query, from a snapshot on: whoever asks knows none, also of the same query. */
	follow(query) {
		this.#lastId = null;
		this.#query = query;
		this.#failures = 0;
		this.#open();
	}

	/** Try at once, where the link is down. */
	again() {
		if (this.#downSince !== null) this.#open();
	}

	/** No stream until the next `follow`. */
	stop() {
		this.#close();
		this.#downSince = null;
	}

	#close() {
		this.#turn += 1;
		clearTimeout(this.#timer);
		clearInterval(this.#watch);
		this.#source?.close();
		this.#source = null;
	}

	#open() {
		this.#close();
		const turn = this.#turn;
		const resume = this.#lastId === null ? "" : `&last_event_id=${encodeURIComponent(this.#lastId)}`;
		const source = new EventSource(`/api/stream?${this.#query}${resume}`);
		this.#source = source;
		this.#heard = Date.now();
		const listen = (name, use) =>
			source.addEventListener(name, (event) => {
				if (turn !== this.#turn) return;
				this.#heard = Date.now();
				if (event.lastEventId) this.#lastId = event.lastEventId;
				this.#up();
				use(event.data ? JSON.parse(event.data) : {});
			});
		listen("snapshot", this.#on.snapshot);
		listen("readings", this.#on.readings);
		listen("status", (data) => this.#on.readings({ status: data.status ?? data, readings: [] }));
		listen("alerts", this.#on.alerts);
		listen("bye", () => this.#lost(turn, "The monitor ended the stream"));
		source.onopen = () => {
			if (turn === this.#turn) this.#up();
		};
		source.onerror = () => this.#lost(turn, "The monitor does not answer");
		this.#watch = setInterval(() => this.#listen(turn), SILENT_MS / 4);
	}

	#up() {
		this.#failures = 0;
		if (this.#downSince === null) return;
		this.#downSince = null;
		this.#on.link({ up: true });
	}

	/** A link may be dead without an error: after a silence the monitor is asked. */
	async #listen(turn) {
		if (Date.now() - this.#heard < SILENT_MS) return;
		try {
			const status = await ask("/api/status", AbortSignal.timeout(SILENT_MS / 4));
			if (turn !== this.#turn) return;
			this.#heard = Date.now();
			this.#on.readings({ status, readings: [] });
		} catch (error) {
			this.#lost(turn, error.message, error.status);
		}
	}

	async #lost(turn, reason, known) {
		if (turn !== this.#turn) return;
		this.#close();
		const now = this.#turn;
		this.#downSince ??= Date.now();
		// An event source does not tell why it failed: a request does.
		let status = known;
		if (status === undefined) {
			status = await ask("/api/status", AbortSignal.timeout(5_000)).then(
				() => 200,
				(error) => error.status,
			);
		}
		if (now !== this.#turn) return;
		if (status === 401) {
			this.#downSince = null;
			this.#on.locked();
			return;
		}
		if (status === 200 && this.#failures > 1) await this.#poll(now);
		if (now !== this.#turn) return;
		// Exponential, with jitter: many walls must not come back at the same instant.
		const most = Math.min(LONGEST_MS, FIRST_MS * 2 ** this.#failures);
		const wait = most / 2 + (Math.random() * most) / 2;
		this.#failures += 1;
		this.#on.link({ up: false, since: this.#downSince, retryAt: Date.now() + wait, reason });
		this.#timer = setTimeout(() => this.#open(), wait);
	}

	/** The monitor answers and has no stream for us: the readings as they are now. */
	async #poll(turn) {
		try {
			const data = await ask(`/api/readings?${this.#query}`, AbortSignal.timeout(5_000));
			const alerts = await ask("/api/alerts", AbortSignal.timeout(5_000));
			if (turn !== this.#turn) return;
			this.#on.snapshot(data);
			this.#on.alerts(alerts);
		} catch {
			// The link is said to be down, and the next attempt tells more.
		}
	}
}
