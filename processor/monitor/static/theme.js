// Runs before the first paint, so that a chosen theme does not flash the other one.
"use strict";
(() => {
	const asked = new URLSearchParams(location.search).get("theme");
	let kept = null;
	try {
		kept = localStorage.getItem("cxpulse.theme");
	} catch {
		// Storage may be forbidden; the theme is then that of the system.
	}
	const theme = [asked, kept].find((name) => name === "light" || name === "dark");
	if (theme) document.documentElement.dataset.theme = theme;
})();
