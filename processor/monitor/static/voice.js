// What a screen reader is told: changes that matter, summed up, at most once in ten seconds.

const EVERY_MS = 10_000;
const AT_ONCE = 4;

export class Voice {
	#node;
	#facts = new Map();
	#news = new Map();
	#timer = null;
	#last = 0;

	constructor(node) {
		this.#node = node;
	}

	/** A new view: what holds in it is not news. */
	begin() {
		this.#facts.clear();
		this.#news.clear();
	}

	/** Tell `words()` when the state of a fact is another than before; the first is not told. */
	fact(name, state, words) {
		const known = this.#facts.get(name);
		this.#facts.set(name, state);
		if (known !== undefined && known !== state) this.tell(name, words());
	}

	/** Tell something; what is newer of the same name replaces it. */
	tell(name, words) {
		this.#news.set(name, words);
		this.#timer ??= setTimeout(() => this.#speak(), Math.max(0, this.#last + EVERY_MS - Date.now()));
	}

	#speak() {
		this.#timer = null;
		this.#last = Date.now();
		const words = [...this.#news.values()];
		this.#news.clear();
		const rest = words.length - AT_ONCE;
		this.#node.textContent = words.slice(0, AT_ONCE).join(". ") + (rest > 0 ? `. And ${rest} more changes` : "");
	}
}
