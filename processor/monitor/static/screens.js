// What is shown instead of readings: the first start, a login, a view that is not there; and help.

import { h, s } from "./dom.js";

const wave = () => s("svg", { viewBox: "0 0 72 40", "aria-hidden": "true" }, s("path", { d: "M2 22h16l7-16 13 30 8-20 4 6h20" }));

/** Nothing was published yet. */
export function waiting() {
  return h(
    "div",
    { class: "waiting" },
    wave(),
    h("h1", {}, "Waiting for the first reading"),
    h("p", {}, "It appears here by itself, about a second after a worker has counted the first event."),
    h("p", {}, "No events at hand? ", h("code", {}, "cxpulse simulate"), " sends some."),
  );
}

/** The address names something that is not there. */
export function missing(what, back) {
  return h("div", { class: "waiting" }, h("h1", {}, what), h("p", {}, h("a", { href: back, "data-view": "" }, "All metrics")));
}

/** Asks for the token; `enter()` is called when the monitor took it. */
export function login(enter) {
  const token = h("input", { id: "token", name: "token", type: "password", autocomplete: "current-password", required: true });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const form = h(
    "form",
    {
      class: "login",
      onsubmit: async (event) => {
        event.preventDefault();
        wrong.textContent = "";
        try {
          const answer = await fetch("/login", {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ token: token.value }),
          });
          if (answer.ok) return enter();
          const problem = await answer.json().catch(() => ({}));
          wrong.textContent = answer.status === 401 ? "That is not the token" : (problem.detail ?? `The monitor answered ${answer.status}`);
        } catch {
          wrong.textContent = "The monitor does not answer";
        }
        token.select();
      },
    },
    h("h1", {}, "cxpulse"),
    h("label", { for: "token" }, "The monitor's token"),
    token,
    h("button", {}, "Show the readings"),
    wrong,
  );
  return form;
}

const KEYS = [
  ["1 – 9", "the windows, in order"],
  ["s", "choose a segment"],
  ["a", "all metrics, or the chosen ones"],
  ["w", "wallboard, and back"],
  ["Space", "on the wallboard: pause, or go on"],
  ["← →", "on the wallboard: back and on; in a chart: its points"],
  ["t", "theme: auto, light, dark"],
  ["Esc", "back to all metrics"],
  ["?", "this list"],
];

/** Fill the dialog of shortcuts. */
export function help(dialog) {
  dialog.replaceChildren(
    h("h2", { id: "help-title" }, "Keyboard"),
    h("dl", {}, KEYS.flatMap(([key, does]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, does)])),
    h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")),
  );
}
