// Numbers and times as people read them, by the browser's own locale.

const cache = new Map();

function number(options) {
	const key = JSON.stringify(options);
	if (!cache.has(key)) cache.set(key, new Intl.NumberFormat(undefined, options));
	return cache.get(key);
}

const MINUS = /-/g;
const text = (parts) => parts.map((part) => part.text).join("");
const plain = (value) => [{ text: value.replace(MINUS, "−"), small: false }];

/** A value in parts: what is small (unit, currency) can be set smaller than the digits. */
export function parts(value, unit, currency) {
	if (value === null || value === undefined) return [{ text: "–", small: false }];
	if (unit === "seconds") return duration(value);
	if (unit === "money") return split(money(currency, value).formatToParts(value));
	if (unit === "percent") return split(number({ style: "percent", ...fraction(places(value, 1)) }).formatToParts(value / 100));
	if (unit === "points") return plain(digits(value, places(value, 1), true));
	return plain(digits(value, unit === "count" ? 0 : places(value, 2)));
}

/** The same as one text. */
export function amount(value, unit, currency) {
	return text(parts(value, unit, currency));
}

/** A difference, always with its sign; percent differ by percentage points. */
export function difference(value, unit, currency) {
	if (value === null || value === undefined) return "";
	if (unit === "percent") return `${digits(value, places(value, 1), true)} pp`;
	const sign = value > 0 ? "+" : value < 0 ? "−" : "±";
	if (unit === "points") return digits(value, places(value, 1), true);
	return sign + amount(Math.abs(value), unit, currency);
}

/** A whole number with the locale's groups. */
export function count(value) {
	return digits(value, 0);
}

/** Decimals: the usual ones, more where they would make nothing of something small. */
function places(value, usual) {
	const size = Math.abs(value);
	return size === 0 || size >= 10 ** -usual ? usual : Math.min(6, Math.ceil(-Math.log10(size)));
}

function fraction(places) {
	return { minimumFractionDigits: places, maximumFractionDigits: places };
}

function digits(value, places, signed = false) {
	const options = { ...fraction(places), ...(signed ? { signDisplay: "exceptZero" } : {}) };
	return number(options).format(value).replace(MINUS, "−");
}

function money(currency, value) {
	const whole = Math.abs(value) >= 100_000 ? { maximumFractionDigits: 0 } : {};
	return number({ style: "currency", currency: currency ?? "XXX", ...whole });
}

function split(pieces) {
	const small = new Set(["percentSign", "currency", "literal"]);
	return pieces.map(({ type, value }) => ({
		text: value.replace(MINUS, "−"),
		small: small.has(type),
	}));
}

/** Seconds as the two largest units that they fill: 2 h 14 min. */
function duration(seconds) {
	const sign = seconds < 0 ? "−" : "";
	const size = Math.abs(seconds);
	if (size < 59.95) {
		const shown = digits(size, size < 9.95 ? 1 : 0);
		return [{ text: `${sign}${shown}`, small: false }, { text: " s", small: true }];
	}
	const at = Math.max(0, STEPS.findIndex(([, step]) => size >= step * 0.99999));
	const [[name, step], [lesser, fine]] = [STEPS[at], STEPS[at + 1] ?? STEPS.at(-1)];
	const whole = Math.round(size / fine);
	const per = step / fine;
	return [
		{ text: `${sign}${digits(Math.floor(whole / per), 0)}`, small: false },
		{ text: ` ${name} `, small: true },
		{ text: digits(whole % per, 0), small: false },
		{ text: ` ${lesser}`, small: true },
	];
}

const UNITS = { s: ["second", "s", 1], m: ["minute", "min", 60], h: ["hour", "h", 3_600], d: ["day", "d", 86_400] };

/** Abbreviations and seconds, the longest first. */
const STEPS = Object.values(UNITS).map((unit) => unit.slice(1)).reverse();

/** Of a window `24h`: 24, and the names and seconds of an hour. */
const splitWindow = (name) => [parseInt(name), ...UNITS[name.at(-1)]];

/** A window's length: `24h` is 24 hours. */
export function windowName(name) {
	const [size, unit] = splitWindow(name);
	return size === 1 ? unit : `${size} ${unit}s`;
}

/** A window's length for a narrow button. */
export function windowShort(name) {
	const [size, , unit] = splitWindow(name);
	return `${size} ${unit}`;
}

/** A window's length in seconds. */
export function windowSeconds(name) {
	const [size, , , seconds] = splitWindow(name);
	return size * seconds;
}

/** How often the history of a window has a new point, within reason, in milliseconds. */
export function pace(window) {
	return Math.min(600, Math.max(10, windowSeconds(window) / 60)) * 1000;
}

/** A value on an axis, in as few digits as it needs. */
export function axisLabel(value, unit, currency) {
	const few = { maximumFractionDigits: 2 };
	if (unit === "seconds") return amount(value, unit);
	if (unit === "percent") return number({ style: "percent", maximumFractionDigits: 2 }).format(value / 100);
	if (unit === "points") return number({ ...few, signDisplay: "exceptZero" }).format(value).replace(MINUS, "−");
	if (unit === "money") return number({ style: "currency", currency, notation: "compact", ...few, minimumFractionDigits: 0 }).format(value);
	return number({ ...few, notation: Math.abs(value) >= 100_000 ? "compact" : "standard" }).format(value);
}

const STRIDES = [1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 432_000, 864_000];

/** Round moments of the local clock between two, at most so many. */
export function momentsBetween(from, to, most) {
	const stride = 1000 * (STRIDES.find((each) => (to - from) / (each * 1000) <= most) ?? 2_592_000);
	const zone = new Date(to).getTimezoneOffset() * 60_000;
	const found = [];
	for (let at = Math.ceil((from - zone) / stride) * stride + zone; at <= to; at += stride) found.push(at);
	return found;
}

/** How long ago, coarse enough to be calm. */
export function ago(seconds) {
	if (seconds < 2) return "now";
	const [unit, step] = STEPS.find(([, each]) => seconds >= each);
	return `${Math.floor(seconds / step)} ${unit} ago`;
}

/** The time of day. */
export function clock(ms) {
	return new Date(ms).toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

/** A moment on an axis or in a table, as fine as the span asks for. */
export function moment(ms, spanSeconds) {
	const day = { day: "numeric", month: "short" };
	const minute = { hour: "2-digit", minute: "2-digit" };
	if (spanSeconds <= 1_200) return new Date(ms).toLocaleTimeString(undefined, { ...minute, second: "2-digit" });
	if (spanSeconds <= 86_400) return new Date(ms).toLocaleTimeString(undefined, minute);
	if (spanSeconds <= 4 * 86_400) return new Date(ms).toLocaleString(undefined, { ...day, ...minute });
	return new Date(ms).toLocaleDateString(undefined, day);
}
