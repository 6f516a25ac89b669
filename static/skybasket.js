// Comfort only: every page does its work without this file.

const root = document.documentElement;
const all = (selector, from = document) => [...from.querySelectorAll(selector)];

// Messages: one live region for ears, one toast for eyes
let fading;
function say(text, kind = "") {
  document.getElementById("status").textContent = text;
  const toast = document.getElementById("toast");
  Object.assign(toast, { textContent: text, className: `toast ${kind}`, hidden: false });
  clearTimeout(fading);
  fading = setTimeout(() => { toast.hidden = true; }, kind ? 12000 : 4000);
}

// Copy buttons; the clipboard API exists on https and localhost only
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const box = Object.assign(document.createElement("textarea"), { value: text });
  document.body.append(box);
  box.select();
  document.execCommand("copy");
  return box.remove();
}
document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copy]");
  if (!button) return;
  await copy(button.dataset.copy);
  button.focus();
  say(`Copied ${button.dataset.what}`);
});

// Arrow keys in the files tree, from any control of a row (WAI-ARIA APG, tree view)
const is_open = (row) => row.querySelector(".expander")?.dataset.open === "true";
const follow = (row) => row.querySelector(".name a").click();
const keys = {
  ArrowDown: (rows, at) => rows[at + 1],
  ArrowUp: (rows, at) => rows[at - 1],
  Home: (rows) => rows[0],
  End: (rows) => rows.at(-1),
  ArrowRight: (rows, at) => (is_open(rows[at]) ? rows[at + 1] : follow(rows[at])),
  ArrowLeft: (rows, at) => (is_open(rows[at]) ? follow(rows[at]) : rows[at].closest("ul").closest("li")?.querySelector(".node")),
};
// Letters lead to the next row whose name starts with them, or, as exposures differ at the end, holds them
let [typed, typing] = ["", 0];
function seek(rows, at, letter) {
  typed = Date.now() - typing > 800 ? letter : typed + letter;
  typing = Date.now();
  const first = typed.length > 1 ? at : at + 1;
  const round = [...rows.slice(first), ...rows.slice(0, first)];
  const name = (row) => row.querySelector(".name").textContent.trim().toLowerCase();
  return round.find((row) => name(row).startsWith(typed)) ?? round.find((row) => name(row).includes(typed));
}
document.addEventListener("keydown", (event) => {
  const row = event.target.closest(".tree .node");
  const letter = event.key.length === 1 && event.key !== " " ? event.key.toLowerCase() : "";
  if (!row || !(keys[event.key] || letter) || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  const rows = all(".tree .node");
  const at = rows.indexOf(row);
  (letter ? seek(rows, at, letter) : keys[event.key](rows, at))?.querySelector(".box").focus();
});

// Search results: tick all on the page, say how many are ticked
function count_ticked() {
  const [head, boxes] = [document.getElementById("tick-page"), all("input[name=obsid][type=checkbox]")];
  if (!head) return;
  const ticked = boxes.filter((box) => box.checked).length;
  Object.assign(head, { checked: ticked > 0 && ticked === boxes.length, indeterminate: ticked > 0 && ticked < boxes.length });
  document.getElementById("ticked").textContent = `${ticked} selected`;
}
document.addEventListener("change", ({ target }) => {
  if (target.id === "tick-page") for (const box of all("input[name=obsid][type=checkbox]")) box.checked = target.checked;
  count_ticked();
  if (target.id !== "theme") return;
  document.cookie = `theme=${target.value}; path=/; max-age=31536000; samesite=lax`;
  root.dataset.theme = target.value;
});

// Long filters and headers: show the lines that contain the text
document.addEventListener("input", ({ target }) => {
  const lines = target.matches("[data-find]") && target.closest("fieldset, .sheet");
  if (!lines) return;
  const wanted = target.value.toLowerCase();
  for (const line of all(".choice, tbody tr", lines)) line.hidden = !line.textContent.toLowerCase().includes(wanted);
  const folded = lines.querySelector("details");
  if (folded) folded.open = wanted !== "";
});

document.addEventListener("change", (event) => { if (event.target.matches("[data-find]")) event.stopPropagation(); }, true);

// A download leaves the page as it is: say that it begins, and do not begin it twice
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.dataset.once) return;
  if (form.sent) event.preventDefault();
  else say(form.dataset.once);
  form.sent = true;
  setTimeout(() => { form.sent = false; }, 2000);
});

// Panel borders: drag, or arrow keys; the widths are remembered
const panel_of = (splitter) => document.getElementById(splitter.getAttribute("aria-controls"));
function widen(splitter, width) {
  const kept = Math.round(Math.min(Math.max(width, 180), innerWidth * 0.45));
  root.style.setProperty(splitter.dataset.property, `${kept}px`);
  splitter.ariaValueNow = kept;
  localStorage.setItem(splitter.dataset.property, kept);
}
document.addEventListener("pointerdown", (event) => {
  const splitter = event.target.closest(".splitter");
  if (!splitter) return;
  const [start, width] = [event.clientX, panel_of(splitter).offsetWidth];
  splitter.setPointerCapture(event.pointerId);
  splitter.onpointermove = ({ clientX }) => widen(splitter, width + splitter.dataset.sign * (clientX - start));
  splitter.onlostpointercapture = () => { splitter.onpointermove = null; };
});
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: -16, ArrowRight: 16 }[event.key];
  if (!step || !event.target.matches(".splitter")) return;
  event.preventDefault();
  widen(event.target, panel_of(event.target).offsetWidth + event.target.dataset.sign * step);
});

// Answers that must not be painted: errors, pages without the region, and states that were left meanwhile
let nearby = [];
function remember_place(source) {
  const ids = all("a[id], button[id], input[id]").map((one) => one.id);
  const at = ids.indexOf((document.activeElement.id ? document.activeElement : source).id);
  const row = document.querySelector(`#tree a[data-file="${source.dataset?.file}"]`);
  nearby = [row?.id, ...ids.slice(at), ...ids.slice(0, Math.max(at, 0)).reverse()];
}
function back_to_place() {
  const there = nearby.map((id) => document.getElementById(id ?? "")).find((one) => one && !one.disabled && one.checkVisibility() && one.tabIndex >= 0);
  (there ?? document.getElementById("main")).focus({ preventScroll: true });
}
const same = (one, other) => String(new URLSearchParams(one)) === String(new URLSearchParams(other));
document.addEventListener("htmx:before:swap", (event) => {
  const { ctx, tasks } = event.detail;
  const answer = ctx.response?.raw;
  if (!answer || !ctx.select) return;
  const painted = tasks.find((task) => task.type === "main")?.fragment.childElementCount;
  const left = ctx.request.method === "POST" && !same(new URL(answer.url).search, location.search);
  remember_place(ctx.sourceElement);
  if (answer.ok && painted && !left) return;
  event.preventDefault();
  if (answer.ok && left) return htmx.ajax("GET", location.href, { source: "#basket", push: "false" });
  if (answer.ok) return location.assign(answer.url);
  const page = new DOMParser().parseFromString(ctx.text, "text/html");
  say(page.getElementById("problem")?.textContent.trim() ?? `The server answered ${answer.status}. Please try again.`, "error");
  ctx.sourceElement.reset?.();
  if ([404, 409, 410].includes(answer.status)) htmx.ajax("GET", location.href, { source: "#basket", push: "false" });
});
document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
  if (ctx?.sourceEvent?.type !== "every") say("No answer from the server: nothing was changed. Please try again.", "error");
});
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  // A box that was clicked keeps its own tick through a morph; after anything but a filter the page's tick counts
  if (ctx.swap === "outerSync") fold();
  if (!ctx.sourceElement.matches("form")) for (const box of all(".choice input")) box.checked = box.defaultChecked;
  // A control that was switched off by its own click loses the focus a moment later
  setTimeout(() => { if (document.activeElement === document.body) back_to_place(); }, 50);
});

// Beside each other the panels are always open; under each other filters wait to be asked for
const wide = matchMedia("(min-width: 900px) and (min-height: 480px)");
function fold() {
  for (const one of all(".panel-fold")) one.open = wide.matches || one.id.startsWith("about-");
}
wide.addEventListener("change", fold);
fold();

addEventListener("pageshow", (event) => {
  if (event.persisted && document.getElementById("basket")) location.reload();
  count_ticked();
});
for (const splitter of all(".splitter")) {
  const width = Number(localStorage.getItem(splitter.dataset.property));
  if (width) widen(splitter, width);
}
