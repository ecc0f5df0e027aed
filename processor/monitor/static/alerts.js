// Firing alerts, above everything else; nothing where none fires.

import { href, segmentName } from "./address.js";
import { h, shape } from "./dom.js";
import { amount, clock } from "./format.js";

const ORDER = ["critical", "warning", "info"];

/** The section of firing alerts; null where there is none that is to be shown. */
export function alertsSection({ firing }, catalogue, view) {
  const loud = (firing ?? []).filter((alert) => alert.state === "firing" && !alert.silenced);
  if (!loud.length) return null;
  const weight = (alert) => (ORDER.indexOf(alert.severity) + 1 || ORDER.length + 1);
  loud.sort((a, b) => weight(a) - weight(b) || String(a.name).localeCompare(String(b.name)));
  const silenced = firing.length - loud.length;
  return h(
    "section",
    { class: "alerts", "aria-labelledby": "alerts-title" },
    h("h2", { id: "alerts-title" }, `${loud.length} ${loud.length === 1 ? "alert fires" : "alerts fire"}${silenced > 0 ? `, ${silenced} silenced` : ""}`),
    h("ul", {}, loud.map((alert) => line(alert, catalogue, view))),
  );
}

function line(alert, catalogue, view) {
  const about = catalogue.byName.get(alert.metric);
  const segment = alert.segment ?? {};
  const since = alert.starts_at ?? alert.since;
  const when = typeof since === "number" ? since : Date.parse(since);
  const words = alert.annotations?.summary ?? alert.annotations?.description;
  const target = href({ ...view, metric: alert.metric, window: alert.window ?? view.window, segment, wall: false, by: null });
  return h(
    "li",
    {},
    h("span", { class: `severity ${alert.severity ?? "info"}` }, shape(alert.severity ?? "info"), alert.severity ?? "info"),
    about ? h("a", { href: target, "data-view": "" }, h("b", {}, alert.name)) : h("b", {}, alert.name),
    h(
      "span",
      {},
      [about?.title ?? alert.metric, segmentName(segment), typeof alert.value === "number" ? amount(alert.value, about?.unit, alert.labels?.currency) : "no data"].filter(Boolean).join(" · "),
    ),
    words ? h("span", { class: "quiet" }, String(words)) : null,
    Number.isFinite(when) ? h("span", { class: "quiet" }, `since ${clock(when)}`) : null,
  );
}
