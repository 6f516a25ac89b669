// One basket, many tabs: whoever changes it tells the others, and a tab that was away asks when it comes back.
// Nothing is asked on a clock. Comfort only: a form of an old page says which version it saw, script or not.

import { say } from "./skybasket.js";

const mark = () => document.querySelector("#basket-count [data-tag]");
const read = (tag) => tag.split("-").map(Number);
const manager = () => document.getElementById("selection");
const channel = new BroadcastChannel("basket");
const QUIET = 2000; // milliseconds in which a tab that comes and goes does not ask again
let [told, missed, painted] = ["", "", ""];
let [asked, waiting] = [0, 0];

// Another basket, or a later version of the one that is shown
function is_news(tag) {
  const [[basket, version], [shown, seen]] = [read(tag), read(mark()?.dataset.tag ?? "")];
  return basket !== shown || version > seen;
}
function announce() {
  const tag = mark()?.dataset.tag;
  if (!tag || tag === told) return;
  told = tag;
  channel.postMessage(tag);
}

// The page is painted anew where it shows the basket; elsewhere only the number beside the link to it
function refresh() {
  missed = "";
  if (!manager()) return ask(true);
  painted = mark().dataset.tag;
  return htmx.ajax("GET", location.href, { source: "#basket", push: "false" });
}
function tell() {
  const before = painted;
  painted = "";
  if (before && mark()?.dataset.tag !== before) say(`Your basket was changed in another tab. ${document.getElementById("status").textContent}`, "news");
}
async function ask(paint = false) {
  if (!mark() || (!paint && Date.now() - asked < QUIET)) return;
  asked = Date.now();
  const answer = await fetch("/api/v1/basket/", { cache: "no-cache" }).catch(() => undefined);
  if (!answer?.ok) return;
  const basket = await answer.json();
  const tag = `${basket.id ?? 0}-${basket.version}`;
  if (!is_news(tag)) return;
  if (manager()) return refresh();
  Object.assign(mark(), { textContent: basket.files.toLocaleString("en") }).dataset.tag = tag;
  told = tag;
}
channel.addEventListener("message", ({ data }) => {
  if (!is_news(data)) return;
  missed = data;
  clearTimeout(waiting);
  if (!document.hidden) waiting = setTimeout(refresh, 300); // a click and the next ones are one change
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  if (missed && is_news(missed)) refresh();
  else ask();
});

// Clicks that wait for an answer were made on the page that will show it
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  const [body, version] = [ctx.request.body, document.querySelector("#basket [name=version]")?.value];
  if (body?.has?.("version") && version) body.set("version", version);
});
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  announce();
  if (ctx.request.method === "GET") tell();
  const form = ctx.sourceElement.closest?.("form[data-done]");
  if (!form || ctx.request.method !== "POST") return;
  form.reset();
  const fold = form.closest("details");
  if (!fold) return;
  fold.open = false;
  fold.querySelector("summary").focus({ preventScroll: true });
});
announce();
