// What happens on a key, a click and a choice.

const source = byId("data");
const data = JSON.parse(source.textContent);
source.textContent = "";
const items = new Map(data.items.map((item) => [item.path, item]));
const known = { items, classes: data.classes, training: readChecksums(data.training) };
const decisions = new Decisions(data.key, data.decisions);
const view = new View(data, decisions);
let visible = data.items;
let current = null;

// Classes that are digits are meant by their own digit, others by their place: among all classes
// where digits suffice, else among an image's most probable ones beside its label and the suggestion.
const DIGITS = "1234567890";
const digitNames = data.classes.filter((name) => /^\d$/.test(name));
const fixed = digitNames.length > 0 || data.classes.length <= DIGITS.length;
let classOfDigit = new Map(digitNames.map((name) => [name, name]));

function keyed(names) {
  return new Map(names.map((name, index) => [DIGITS[index], name]));
}

function choose(item) {
  current = item ?? null;
  view.say(""); // on a phone a message covers labels
  if (item && !fixed) offer(keyed(item.others));
  view.select(current);
}

function focusList() {
  byId("list").focus({ preventScroll: true });
}

function move(step) {
  const place = visible.indexOf(current);
  choose(visible[Math.min(visible.length - 1, Math.max(0, place + step))]);
}

function fits(item) {
  const state = byId("by-state").value;
  const itsState = decisions.stateOf(item);
  return (
    (byId("by-label").value === "" || data.classes[byId("by-label").value] === item.label) &&
    (byId("by-suggestion").value === "" || data.classes[byId("by-suggestion").value] === item.suggested) &&
    (state === "" || state === itsState || (state === "decided" && itsState !== "undecided")) &&
    item.path.toLowerCase().includes(byId("by-path").value.toLowerCase())
  );
}

function filter() {
  visible = data.items.filter(fits);
  const shown = new Set(visible);
  for (const item of data.items) view.rows.get(item.id).hidden = !shown.has(item);
  byId("nothing").hidden = visible.length > 0;
  byId("shown").textContent = visible.length === data.items.length ? "" : `· ${visible.length} shown`;
}

function refilter() {
  filter();
  choose(visible.includes(current) ? current : visible[0]);
}

function decide(outcome) {
  if (!current) return;
  const item = current;
  const next = visible[visible.indexOf(item) + 1];
  decisions.decide(item, outcome);
  view.markRow(item);
  filter();
  choose(next ?? (visible.includes(item) ? item : visible.at(-1)));
  view.showProgress();
  const words = view.outcomeWords(decisions.byPath.get(item.path));
  const warning = decisions.stored ? "" : ` ${PROBLEMS.notRemembered}`;
  view.say([`#${item.rank}: `, isolated(words), `. ${byId("count").textContent}.${warning}`]);
}

function undo() {
  const step = decisions.undo();
  if (!step) return view.say("Nothing to undo.");
  refresh();
  const item = items.get(step[0].path);
  if (item && visible.includes(item)) choose(item);
  view.say(`Taken back: ${step.length > 1 ? `${step.length} decisions of a file` : nameOf(step[0].path)}.`);
}

function refresh() {
  data.items.forEach((item) => view.markRow(item));
  view.showProgress();
  refilter();
}

function findClass(typed) {
  const exact = data.classes.filter((name) => name === typed);
  const start = typed.trim().toLowerCase();
  const alike = data.classes.filter((name) => name.trim().toLowerCase() === start);
  const begun = data.classes.filter((name) => start && name.trim().toLowerCase().startsWith(start));
  return [exact, alike, begun].find((found) => found.length === 1)?.[0];
}

function relabelTyped(event) {
  event.preventDefault();
  const field = byId("class-name");
  const name = findClass(field.value);
  byId("class-problem").textContent = name === undefined ? PROBLEMS.noSuchClass : "";
  field.setAttribute("aria-invalid", String(name === undefined));
  if (name === undefined) return;
  decide(name);
  focusList();
}

/** What the page calls an image: its rank, or its path where it isn't here. */
function nameOf(path) {
  return items.has(path) ? `#${items.get(path).rank}` : path;
}

function save() {
  const link = element("a", { download: "corrections.csv" });
  link.href = URL.createObjectURL(new Blob([decisions.toCsv()], { type: "text/csv" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  const alone = decisions.notesAlone();
  const apart = decisions.copiesApart().map((pair) => pair.map(nameOf).join(" and ")).join(", ");
  const words = [
    `${decisions.byPath.size} decisions saved. Put the file at data/corrections.csv, then run snakemake --cores all corrected.`,
    ...(alone ? [PROBLEMS.notesLeftOut(alone)] : []),
    ...(apart ? [PROBLEMS.copiesApart(apart)] : []),
  ];
  view.say(words.join(" "), true);
}

async function load() {
  const [file] = byId("file").files;
  byId("file").value = "";
  if (!file) return;
  try {
    const result = decisions.load(readCorrections(await file.text()), known);
    refresh();
    view.say(`${result.taken} decisions loaded.`);
    if (result.conflicts.length) listConflicts(result);
  } catch (problem) {
    view.say(PROBLEMS.unreadable(file.name, problem.message), true);
  }
}

function listConflicts({ taken, conflicts, step }) {
  const open = conflicts.filter(({ fault }) => !fault);
  byId("loaded-title").textContent = `${taken} decisions loaded, ${conflicts.length} not`;
  byId("loaded-text").textContent = open.length
    ? "Where the file says otherwise, nothing was changed so far."
    : "These rows don't fit this page's images.";
  byId("loaded-rows").replaceChildren(
    ...conflicts.map(({ line, path, decision, here, fault }) =>
      element("tr", {}, ...[String(line), path, view.outcomeWords(here), fault ?? view.outcomeWords(decision)].map((text) => element("td", {}, text))),
    ),
  );
  byId("keep-mine").textContent = open.length ? "Leave as it is here" : "Close";
  byId("take-file").hidden = open.length === 0;
  const dialog = byId("loaded");
  dialog.returnValue = "";
  dialog.onclose = () => {
    decisions.settle(open, dialog.returnValue === "file", step);
    refresh();
  };
  dialog.showModal();
}

function setTheme(theme) {
  const words = { "": "as the system", light: "light", dark: "dark" };
  if (theme) document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
  byId("theme").setAttribute("aria-label", `Colours: ${words[theme]}`);
}

function nextTheme() {
  const order = ["", "light", "dark"];
  const theme = order[(order.indexOf(document.documentElement.dataset.theme ?? "") + 1) % 3];
  setTheme(theme);
  try { localStorage.setItem("tracin-review:theme", theme); } catch { /* a colour needs no warning */ }
}

function storedTheme() {
  try { return localStorage.getItem("tracin-review:theme") ?? ""; } catch { return ""; }
}

const KEYS = {
  j: () => move(1), ArrowDown: () => move(1), ArrowRight: () => move(1),
  k: () => move(-1), ArrowUp: () => move(-1), ArrowLeft: () => move(-1),
  Home: () => choose(visible[0]), End: () => choose(visible.at(-1)),
  Enter: () => decide(current.suggested),
  " ": () => decide(current.label),
  x: () => decide(null),
  u: undo,
  c: () => byId("class-name").focus(),
  n: () => byId("note").focus(),
  "/": () => { byId("filters").open = true; byId("by-path").focus(); },
  "?": () => byId("help").showModal(),
};
const REPEATABLE = new Set(["j", "k", "ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight"]);

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  const field = event.target.closest("input, textarea, select");
  if (field) {
    if (event.key === "Escape") focusList();
    return;
  }
  // A focused button or summary keeps its own Enter and Space.
  if ((event.key === "Enter" || event.key === " ") && event.target.closest("button, summary")) return;
  const named = classOfDigit.get(event.key);
  const action = named === undefined ? KEYS[event.key] : () => decide(named);
  if (!action || (event.repeat && !REPEATABLE.has(event.key))) return;
  event.preventDefault();
  if (current || ["u", "?", "/"].includes(event.key)) action();
}

/** Buttons for the classes that the digits mean. */
function offer(classes) {
  classOfDigit = classes;
  const buttons = [...classes].map(([digit, name]) => {
    const button = element("button", { type: "button", value: name, title: name }, isolated(name));
    if (digit !== name) button.append(element("kbd", {}, digit));
    button.addEventListener("click", () => decide(name));
    return button;
  });
  const held = byId("classes").contains(document.activeElement);
  byId("classes").replaceChildren(...buttons);
  if (held) focusList();
}

function buildControls() {
  for (const [index, name] of data.classes.entries()) {
    for (const id of ["by-label", "by-suggestion"]) byId(id).append(element("option", { value: index }, name));
    byId("class-names").append(element("option", { value: name }));
  }
  if (fixed) offer(digitNames.length ? classOfDigit : keyed(data.classes));
  byId("digit-meaning").textContent = digitNames.length ? "relabel as that digit" : "relabel as the class with that number";
  const wide = matchMedia("(min-width: 701px)");
  const fold = () => { byId("filters").open = wide.matches; };
  wide.addEventListener("change", fold);
  fold();
}

function connect() {
  const click = (id, action) => byId(id).addEventListener("click", action);
  click("accept", () => decide(current.suggested));
  click("keep", () => decide(current.label));
  click("remove", () => decide(null));
  click("previous", () => move(-1));
  click("next", () => move(1));
  click("undo", undo);
  click("save", save);
  click("load", () => byId("file").click());
  click("theme", nextTheme);
  click("keys", () => byId("help").showModal());
  click("list", (event) => {
    const row = event.target.closest("[role=option]");
    if (row) choose(data.items.find((item) => String(item.id) === row.dataset.id));
  });
  // After a click by mouse or touch the next Space is a decision, not that button again.
  addEventListener("click", (event) => {
    if (event.detail > 0 && event.target.closest("button, summary") && !document.querySelector("dialog[open]")) focusList();
  });
  byId("file").addEventListener("change", load);
  byId("class-form").addEventListener("submit", relabelTyped);
  byId("filter-form").addEventListener("submit", (event) => event.preventDefault());
  byId("filter-form").addEventListener("input", refilter);
  byId("filter-form").addEventListener("reset", () => setTimeout(refilter));
  byId("note").addEventListener("input", () => decisions.setNote(current.path, byId("note").value));
  document.addEventListener("keydown", onKey);
  // Another tab with the same page decided something.
  addEventListener("storage", (event) => { if (event.key === data.key && decisions.restore()) refresh(); });
}

setTheme(storedTheme());
buildControls();
connect();
view.showEstimate();
view.buildList();
view.showProgress();
filter();
choose(data.items.find((item) => decisions.stateOf(item) === "undecided") ?? data.items[0]);
focusList();
if (decisions.disputed.length) {
  const left = decisions.disputed.filter(({ decision }) => decision).length;
  listConflicts({ taken: decisions.given.size - left, conflicts: decisions.disputed });
}
document.body.dataset.ready = "true";
