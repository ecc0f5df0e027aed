// Light, dark, or as the system has it; remembered, unless the address says which.

const KEY = "cxpulse.theme";
const NEXT = { auto: "light", light: "dark", dark: "auto" };

/** The theme now. */
export function theme() {
	return document.documentElement.dataset.theme ?? "auto";
}

/** Switch to the next one, and return its name. */
export function nextTheme() {
	const name = NEXT[theme()];
	if (name === "auto") delete document.documentElement.dataset.theme;
	else document.documentElement.dataset.theme = name;
	try {
		localStorage.setItem(KEY, name);
	} catch {
		// Storage may be forbidden: the choice then lasts as long as the page.
	}
	return name;
}
