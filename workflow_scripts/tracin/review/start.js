// What is there at the beginning: colours, controls, and the first suspect.

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

function buildControls() {
  for (const [index, name] of data.classes.entries()) {
    for (const id of ["by-label", "by-suggestion"]) byId(id).append(element("option", { value: index }, name));
    byId("class-names").append(element("option", { value: name }));
  }
  if (fixed) offer(data.classes);
  const byNumber = "as the class with that number";
  const named = free.length && digitNames.length < data.classes.length ? `as that digit, others ${byNumber}` : "as that digit";
  byId("digit-meaning").textContent = `relabel ${digitNames.length ? named : byNumber}`;
  const wide = matchMedia("(min-width: 701px)");
  const fold = () => { byId("filters").open = wide.matches; };
  wide.addEventListener("change", fold);
  fold();
}

/** After a choice by mouse or touch the next key is for the list; by keyboard one may go on choosing. */
function leaveAfterChoice() {
  let pointed = false;
  const form = byId("filter-form");
  form.addEventListener("pointerdown", () => { pointed = true; });
  form.addEventListener("keydown", () => { pointed = false; });
  form.addEventListener("change", (event) => {
    if (pointed && event.target.matches("select")) focusList();
  });
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
  byId("filter-form").addEventListener("submit", (event) => {
    event.preventDefault();
    focusList();
  });
  leaveAfterChoice();
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
  listConflicts({ taken: decisions.given.size - left, conflicts: decisions.disputed }, "data/corrections.csv");
}
document.body.dataset.ready = "true";
