// The page: reads its address, follows the stream, and patches what changed.

import { href, query, read } from "./address.js";
import { Alerts } from "./alerts.js";
import { Controls } from "./controls.js";
import { Detail } from "./detail.js";
import { h, mark, say } from "./dom.js";
import { ago, clock, count } from "./format.js";
import { ask, Live } from "./live.js";
import { Overview } from "./overview.js";
import { help, missing, waiting } from "./screens.js";
import { Store } from "./store.js";
import { nextTheme, theme } from "./theme_choice.js";
import { Voice } from "./voice.js";
import { Wall } from "./wall.js";

const at = (id) => document.getElementById(id);
const USUAL = "1h";

class App {
	constructor() {
		this.store = new Store();
		this.voice = new Voice(at("said"));
		this.status = null;
		this.heard = 0;
		this.alerts = new Alerts(this);
		this.link = null;
		this.screen = null;
		this.live = new Live({
			snapshot: (data) => this.#snapshot(data),
			readings: (data) => this.#readings(data),
			alerts: (data) => this.alerts.show(data),
			link: (link) => this.#link(link),
			locked: () => this.#lock(),
		});
		this.controls = new Controls(this, at("controls"));
		help(at("help"));
		this.#listen();
		setInterval(() => this.#tick(), 1000);
	}

	/** Read the catalogue and begin; tries until the monitor answers. */
	async start() {
		for (let wait = 500; ; wait = Math.min(15_000, wait * 2)) {
			try {
				const catalogue = await ask("/api/metrics");
				catalogue.byName = new Map(catalogue.metrics.map((about) => [about.name, about]));
				this.catalogue = catalogue;
				break;
			} catch (error) {
				if (error.status === 401) return this.#lock();
				const retryAt = Date.now() + wait * (0.5 + Math.random() / 2);
				this.#link({ up: false, since: this.link?.since ?? Date.now(), retryAt, reason: error.message });
				await new Promise((done) => setTimeout(done, retryAt - Date.now()));
			}
		}
		this.#link({ up: true });
		this.show();
	}

	/** The address of this view with something changed. */
	href(change) {
		return href({ ...this.view, ...change });
	}

	/** Go to this view with something changed. */
	go(change) {
		this.visit(this.href(change));
	}

	/** Go to an address of the page. */
	visit(address, focus = false) {
		if (address !== location.pathname + location.search) history.pushState(null, "", address);
		this.show();
		if (focus) at("main").focus();
		scrollTo(0, 0);
	}

	/** Show what the address asks for. */
	show() {
		if (!this.catalogue) return;
		const asked = read();
		const { windows } = this.catalogue;
		this.view = { ...asked, window: asked.window ?? (windows.includes(USUAL) ? USUAL : windows[0]) };
		this.screen?.close();
		this.screen = null;
		this.store.replace([]);
		this.status = null;
		this.voice.begin();
		document.body.classList.toggle("wall", this.view.wall);
		at("home").setAttribute("href", href({ ...asked, segment: {}, metric: null, by: null, all: false, wall: false }));
		this.controls.show();
		if (!windows.includes(this.view.window)) return this.#missing(`There is no window ${this.view.window}`);
		if (this.view.metric && !this.catalogue.byName.has(this.view.metric))
			return this.#missing(`There is no metric ${this.view.metric}`);
		const Screen = this.view.wall ? Wall : this.view.metric ? Detail : Overview;
		this.screen = new Screen(this);
		at("main").setAttribute("aria-busy", "true");
		this.live.follow(this.screen.query);
		document.title = `${this.screen.title} · cxpulse`;
		this.#keepAwake();
	}

	/** From the wallboard to where it was begun. */
	leaveWall() {
		if (document.fullscreenElement) document.exitFullscreen();
		this.go({ wall: false, pace: null });
	}

	#missing(what) {
		this.live.stop();
		document.title = "cxpulse";
		at("main").replaceChildren(missing(what, "/"));
	}

	/** The session has ended: the form of the login leads back to this view. */
	#lock() {
		this.live.stop();
		location.assign(`/login?${query({ next: location.pathname + location.search })}`);
	}

	#snapshot(data) {
		if (!this.screen) return;
		this.store.replace(data.readings);
		this.#heard(data.status);
		at("main").removeAttribute("aria-busy");
		if (this.status.revision === 0 && this.store.empty) {
			at("main").replaceChildren(waiting());
			return;
		}
		this.#mount();
		this.screen.tick(0);
	}

	#readings(data) {
		if (!this.screen) return;
		const was = this.status;
		this.#heard(data.status);
		if (!this.screen.node.isConnected) {
			// The first readings of all come after an empty snapshot.
			if (!data.readings.length && !this.status?.revision) return;
			this.store.merge(data.readings);
			return this.#mount();
		}
		const changed = this.store.merge(data.readings);
		if (was?.stale !== this.status?.stale) this.screen.refresh();
		else if (changed.size) this.screen.patch(changed);
	}

	#mount() {
		if (!this.screen.node.isConnected) at("main").replaceChildren(this.alerts.node, this.screen.node);
		this.screen.refresh();
	}

	#heard(status) {
		if (!status) return;
		this.status = status;
		this.heard = performance.now();
		this.#pulse();
	}

	#link(link) {
		const was = this.link;
		this.link = link;
		mark(document.body, "data-down", link.up ? null : "1");
		if (was && was.up !== link.up) this.voice.tell("link", link.up ? "Connected again" : "Disconnected");
		this.#pulse();
	}

	/** The line of the head, and the notice under it: live, stale, or not connected and since when. */
	#pulse() {
		const { link, status } = this;
		const elapsed = (performance.now() - this.heard) / 1000;
		let [state, text] = ["", "Connecting"];
		if (link && !link.up) [state, text] = ["down", "Disconnected"];
		else if (status && !status.published_at) [state, text] = ["", "Waiting"];
		else if (status) {
			const age = (status.age_s ?? 0) + elapsed;
			[state, text] = status.stale ? ["stale", `Stale · ${ago(age)}`] : ["live", `Live · ${ago(age)}`];
		}
		for (const node of [at("pulse"), this.screen?.pulse].filter(Boolean)) {
			mark(node, "data-link", state);
			say(node.querySelector(".text"), text);
		}
		this.#notice();
		if (status) this.#foot(status);
	}

	#notice() {
		const { link, status } = this;
		let [kind, words] = [null, ""];
		if (link && !link.up) {
			const left = Math.max(0, Math.ceil((link.retryAt - Date.now()) / 1000));
			words = `Disconnected since ${clock(link.since)} (${ago((Date.now() - link.since) / 1000)}). ${link.reason}. ${left ? `Trying again in ${left} s.` : "Trying again."}`;
			kind = "down";
		} else if (status?.stale && status.published_at) {
			[kind, words] = ["stale", `The readings are stale: the last came at ${clock(Date.parse(status.published_at))}. Is a worker running?`];
		} else if (status?.rebuilding) {
			[kind, words] = ["rebuilding", "Counts are being rebuilt from the log: readings are incomplete until then."];
		}
		const notice = at("notice");
		notice.hidden = kind === null;
		mark(notice, "data-kind", kind);
		say(notice.firstElementChild, words);
		at("again").hidden = kind !== "down" || !this.catalogue;
	}

	#foot(status) {
		const foot = at("foot");
		if (!foot.childElementCount) {
			this.figures = h("span");
			foot.replaceChildren(this.figures, h("a", { href: "/docs" }, `API · cxpulse ${this.catalogue.version}`));
		}
		const figures = [
			status.as_of && `watermark ${clock(Date.parse(status.as_of))}`,
			`${count(status.events.counted ?? 0)} events`,
			`${count(status.open_sessions)} open sessions`,
			`lag ${count(status.lag)}`,
			status.dead_letters && `${count(status.dead_letters)} dead letters`,
		];
		say(this.figures, figures.filter(Boolean).join(" · "));
	}

	#tick() {
		this.#pulse();
		if (this.screen?.node.isConnected) this.screen.tick((performance.now() - this.heard) / 1000);
	}

	async #keepAwake() {
		if (!this.view.wall || !("wakeLock" in navigator) || this.awake) return;
		try {
			this.awake = await navigator.wakeLock.request("screen");
			this.awake.addEventListener("release", () => (this.awake = null));
		} catch {
			// Refused on battery or in the background: the wall then sleeps as its system says.
		}
	}

	#listen() {
		addEventListener("popstate", () => this.show());
		document.addEventListener("click", (event) => {
			const link = event.target.closest?.("a[data-view], #home");
			if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
			event.preventDefault();
			this.visit(link.getAttribute("href"), !link.closest(".windows"));
			if (link.dataset.window) document.querySelector(".windows [aria-current]")?.focus();
		});
		document.addEventListener("visibilitychange", () => document.hidden || (this.catalogue && this.view && this.#keepAwake()));
		at("again").addEventListener("click", () => this.live.again());
		at("to-wall").addEventListener("click", () => this.#wall());
		at("to-help").addEventListener("click", () => at("help").showModal());
		const button = at("theme");
		const name = () => say(button, `Theme: ${theme()}`);
		button.addEventListener("click", () => (nextTheme(), name()));
		name();
		document.addEventListener("keydown", (event) => this.#key(event));
	}

	#wall() {
		// A browser may refuse the full screen; the wallboard then fills its window.
		document.documentElement.requestFullscreen?.().catch(() => null);
		this.go({ wall: true });
	}

	#key(event) {
		if (event.ctrlKey || event.metaKey || event.altKey || at("help").open || !this.catalogue || !this.view) return;
		const { target } = event;
		if (target.closest?.("input, select, textarea")) return;
		const { wall } = this.view;
		const onButton = target.closest?.("button, summary");
		const digit = Number(event.key);
		if (event.key === "?") at("help").showModal();
		else if (event.key === "w") wall ? this.leaveWall() : this.#wall();
		else if (event.key === "t") at("theme").click();
		else if (event.key === "Escape" && wall) this.leaveWall();
		else if (event.key === "Escape" && this.view.metric) this.go({ metric: null, by: null });
		else if (wall && event.key === " " && !onButton) this.screen?.hold(!this.screen.paused);
		else if (wall && event.key === "ArrowRight") this.screen?.turn(1);
		else if (wall && event.key === "ArrowLeft") this.screen?.turn(-1);
		else if (!wall && event.key === "s") (at("segment").hidden ? at("dimension") : at("segment")).focus();
		else if (!wall && event.key === "a" && !this.view.metric) this.go({ all: !this.view.all });
		else if (digit >= 1 && digit <= this.catalogue.windows.length) this.go({ window: this.catalogue.windows[digit - 1] });
		else return;
		event.preventDefault();
	}
}

new App().start();
