// What is shown lives in the address: it can be bookmarked, sent, and gone back from.

/** Percent-encoding of all but letters, digits and -._~, as the keys of readings have it. */
function encode(value) {
	return encodeURIComponent(value).replace(
		/[!'()*]/g,
		(sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
	);
}

function decode(text) {
	try {
		return decodeURIComponent(text);
	} catch {
		return text;
	}
}

const joined = (segment, sign) => Object.keys(segment).sort().map((name) => name + sign + encode(segment[name])).join() || "all";

/** `{channel: "email"}` as the API asks for it: `channel:email`; everything is `all`. */
export function segmentText(segment) {
	return joined(segment, ":");
}

/** The segment that such a text names; what is not one is everything. */
function parseSegment(text) {
	const segment = {};
	if (!text || text === "all") return segment;
	for (const part of text.split(",")) {
		const at = part.indexOf(":");
		if (at < 1) return {};
		segment[part.slice(0, at)] = decode(part.slice(at + 1));
	}
	return segment;
}

/** The part of a reading's key that names the segment. */
export function segmentKey(segment) {
	return joined(segment, "=");
}

/** A segment as people read it. */
export function segmentName(segment) {
	const names = Object.keys(segment).sort();
	return names.map((name) => (segment[name] === "__other__" ? "all others" : segment[name])).join(" · ") || "Everything";
}

/** A query of pairs; lists repeat the name. Colons and commas stay readable. */
export function query(pairs) {
	return Object.entries(pairs)
		.flatMap(([name, value]) => [value].flat().map((each) => [name, each]))
		.filter(([, value]) => value !== null && value !== undefined && value !== "")
		.map(([name, value]) => `${name}=${encodeURIComponent(value).replace(/%3A/g, ":").replace(/%2C/g, ",")}`)
		.join("&");
}

/** What the stream is asked for: metrics of a view, and of all its segments by some dimensions. */
export function wanted({ window, segment }, metrics, by) {
	const all = by?.map((name) => `${name}:*`).join();
	return query({ metric: metrics.join(), window, segment: [segmentText(segment), all].filter(Boolean) });
}

/** What the page's address asks for. */
export function read(search = location.search) {
	const asked = new URLSearchParams(search);
	const pace = Number(asked.get("pace"));
	return {
		window: asked.get("window"),
		segment: parseSegment(asked.get("segment")),
		metric: asked.get("metric"),
		by: asked.get("by"),
		all: asked.get("all") === "1",
		wall: asked.get("wall") === "1",
		pace: pace >= 3 && pace <= 3600 ? pace : null,
		theme: asked.get("theme"),
	};
}

/** The address of a view. */
export function href(view) {
	const text = query({
		window: view.window,
		segment: Object.keys(view.segment).length ? segmentText(view.segment) : null,
		metric: view.metric,
		by: view.by,
		all: view.all ? "1" : null,
		wall: view.wall ? "1" : null,
		pace: view.pace,
		theme: view.theme,
	});
	return text ? `/?${text}` : "/";
}
