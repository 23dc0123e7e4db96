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
let ended = false; // the last in the list was decided, and nothing chosen since

function choose(item) {
  current = item ?? null;
  ended = false;
  view.say(""); // on a phone a message covers labels
  if (item && !fixed) offer(item.others);
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
  if (ended) {
    view.say("End of the list. Move or choose an image to decide on it.");
    return;
  }
  const item = current;
  const next = visible[visible.indexOf(item) + 1];
  decisions.decide(item, outcome);
  view.markRow(item);
  filter();
  choose(next ?? (visible.includes(item) ? item : visible.at(-1)));
  ended = !next;
  view.showProgress();
  const words = view.outcomeWords(decisions.byPath.get(item.path));
  const warning = decisions.stored ? "" : ` ${PROBLEMS.notRemembered}`;
  view.say([`#${item.rank}: `, isolated(words), `. ${byId("count").textContent}.${next ? "" : " End of the list."}${warning}`]);
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
