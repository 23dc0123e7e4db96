"use strict";
// What was decided, kept by path: { path, sha256, outcome, previous, decidedAt }, where outcome is
// the label that the image ends with, or null when it is removed. Notes are kept beside it.

const LONGEST_HISTORY = 1000;
// Everything that the page says is wrong; docs/errors.md lists it.
const PROBLEMS = {
  unreadable: (file, reason) => `${file} can't be read: ${reason}.`,
  quotes: (line) => `line ${line}: a quote is not closed or stands in the wrong place`,
  columns: (names) => `it has no column ${names}`,
  notUtf8: "it is not UTF-8 text; save it as CSV in UTF-8",
  semicolons: "its columns are separated by semicolons; save it with commas",
  moreColumns: (names) => `it has columns that don't belong there or stand twice: ${names}`,
  cells: (found, wanted) => `${found} cells in place of ${wanted}`,
  noDecision: "not a decision",
  keepsOther: "keeps the label, but names another one",
  removesLabel: "removes the image, but names a label",
  relabelsAlike: "relabels the image as what it is",
  repeats: (line) => `repeats line ${line}`,
  contradicts: (line) => `contradicts line ${line}`,
  unknownClass: "unknown class",
  noDate: "decided_at is not a time with a time zone",
  otherImage: "the image changed since",
  otherLabel: "the label changed since",
  noSuchImage: "no training image has this path, content and label",
  noSuchClass: "No class has this name.",
  notesLeftOut: (count) => `Notes on undecided images are not in the file: ${count}.`,
  copiesApart: (pairs) => `Copies of one image end with different labels: ${pairs}. Decide alike, or remove one.`,
  notRemembered: "This browser does not remember decisions: save often.",
};

/** Two notes on one image; lines that the other holds already are not repeated. */
function joined(mine, theirs) {
  const holds = (note, part) => `\n${note}\n`.includes(`\n${part}\n`);
  if (!mine || holds(theirs, mine)) return theirs;
  return holds(mine, theirs) ? mine : `${mine}\n${theirs}`;
}

/** What a row of the label set's says, as a browser keeps it; older copies hold the outcome alone. */
const remembered = (said) => (said === null || typeof said === "string" ? { outcome: said } : said);

/** Decisions and notes by path, the way back, and their copy in the browser's storage. */
class Decisions {
  constructor(key, given) {
    this.key = key;
    this.stored = true;
    this.byPath = new Map();
    this.notes = new Map();
    this.history = [];
    this.given = new Map(given.map(fromRow).map((row) => [row.decision.path, row]));
    this.known = new Map();
    this.restore();
    this.disputed = this.renew();
  }

  /**
   * Take over what the label set's decisions say otherwise than they did when this browser last knew
   * them, rows taken out included; the rest. Only a page that opens does: one that stayed open is older.
   */
  renew() {
    const disputed = [];
    let changed = false;
    for (const path of new Set([...this.known.keys(), ...this.given.keys()])) {
      const { decision, note } = this.given.get(path) ?? {};
      const here = this.byPath.get(path);
      const before = this.known.get(path);
      if (before?.outcome === decision?.outcome) {
        changed = this.renewNote(path, before.note, note) || changed;
      } else if (here?.outcome === before?.outcome || here?.outcome === decision?.outcome) {
        this.take(path, decision, note);
        changed = true;
      } else {
        disputed.push({ line: "", path, decision, note, here });
      }
    }
    if (changed) this.store();
    return disputed;
  }

  /** Take over a note that the label set has otherwise than `before`; whether there was one. */
  renewNote(path, before, note) {
    if (before === note) return false;
    const here = this.notes.get(path) ?? "";
    if (here === before) this.writeNote(path, note);
    else if (note) this.writeNote(path, joined(here, note));
    this.learn(path);
    return true;
  }

  /** Take over what the label set, or a file, says about an image: a decision, or none. */
  take(path, decision, note) {
    if (decision) {
      this.put(decision, note);
    } else {
      this.byPath.delete(path);
      this.notes.delete(path);
    }
    this.learn(path);
  }

  learn(path) {
    const given = this.given.get(path);
    if (given) this.known.set(path, { outcome: given.decision.outcome, note: given.note });
    else this.known.delete(path);
  }

  /** End disputes by the other side's word, as a part of `step`, or by what was said here. */
  settle(disputes, theirs, step = []) {
    for (const { path, decision, note } of disputes) {
      if (theirs) {
        this.change(step, path, () => this.take(path, decision, note));
      } else {
        this.learn(path);
      }
    }
    this.remember(step);
    this.store();
  }

  /** Read the browser's copy; false when there is none. */
  restore() {
    try {
      const saved = JSON.parse(localStorage.getItem(this.key));
      if (!saved) return false;
      this.byPath = new Map(saved.decisions.map((decision) => [decision.path, decision]));
      this.notes = new Map(saved.notes);
      this.history = saved.history;
      this.known = new Map((saved.known ?? []).map(([path, said]) => [path, remembered(said)]));
      return true;
    } catch {
      return false;
    }
  }

  store() {
    // Where all of it finds no room the way back is left out: decisions matter more.
    this.stored = this.write(this.history) || this.write([]);
  }

  write(history) {
    const saved = { decisions: [...this.byPath.values()], notes: [...this.notes], history, known: [...this.known] };
    try {
      localStorage.setItem(this.key, JSON.stringify(saved));
      return true;
    } catch {
      return false;
    }
  }

  put(decision, note) {
    const { path } = decision;
    this.byPath.set(path, decision);
    if (note) this.notes.set(path, joined(this.notes.get(path), note));
  }

  /** Change what is said about an image, as a part of `step` where that makes a difference. */
  change(step, path, make) {
    const said = () => ({ before: this.byPath.get(path) ?? null, note: this.notes.get(path) ?? "" });
    const { before, note } = said();
    make();
    const after = said();
    if (before?.outcome === after.before?.outcome && note === after.note) return;
    step.push({ path, before, note, left: after.note });
  }

  /** Make changes, each as before it, one step of the way back. */
  remember(step) {
    if (step.length && this.history.at(-1) !== step) this.history.push(step);
    if (this.history.length > LONGEST_HISTORY) this.history.shift();
  }

  decide(item, outcome) {
    this.remember([{ path: item.path, before: this.byPath.get(item.path) ?? null }]);
    const decidedAt = new Date().toISOString();
    const { path, sha256, original: previous } = item;
    this.put({ path, sha256, outcome, previous, decidedAt });
    this.store();
  }

  /** Take the last decision, or all of a file's, back; what was before, or undefined at the start. */
  undo() {
    const step = this.history.pop();
    if (!step) return undefined;
    for (const { path, before, note, left } of [...step].reverse()) {
      if (before) this.byPath.set(path, before);
      else this.byPath.delete(path);
      // What was written since then stays.
      if (left !== undefined && left === (this.notes.get(path) ?? "")) this.writeNote(path, note);
    }
    this.store();
    return step;
  }

  writeNote(path, text) {
    if (text) this.notes.set(path, text);
    else this.notes.delete(path);
  }

  setNote(path, text) {
    this.writeNote(path, text);
    this.store();
  }

  /** How many images have a note but no decision, so that no file holds it. */
  notesAlone() {
    return [...this.notes.keys()].filter((path) => !this.byPath.has(path)).length;
  }

  /** Copies of an image, by two, that end with different labels: no label set takes both. */
  copiesApart() {
    const kept = [...this.byPath.values()].filter(({ outcome }) => outcome !== null);
    const first = new Map([...kept].reverse().map((decision) => [decision.sha256, decision]));
    return kept
      .filter(({ sha256, outcome }) => first.get(sha256).outcome !== outcome)
      .map(({ path, sha256 }) => [first.get(sha256).path, path]);
  }

  /** undecided, kept, relabelled or removed. */
  stateOf(item) {
    const decision = this.byPath.get(item.path);
    if (!decision) return "undecided";
    if (decision.outcome === null) return "removed";
    return decision.outcome === item.label ? "kept" : "relabelled";
  }

  /** Whether the decision on an item takes the label away that it came with. */
  changes(item) {
    return this.byPath.get(item.path).outcome !== item.original;
  }

  toCsv() {
    const rows = [...this.byPath.values()].map((d) => toRow(d, this.notes.get(d.path) ?? ""));
    return [COLUMNS, ...rows].map((row) => `${row.map(quoted).join(",")}\r\n`).join("");
  }

  /** Take over a file's rows where nothing speaks against it; the rest, with what was said here. */
  load(rows, known) {
    const conflicts = [];
    const step = [];
    for (const { line, decision, note, fault } of checked(rows, known)) {
      const { path } = decision;
      const here = this.byPath.get(path);
      if (fault) {
        conflicts.push({ line, path, decision, here, fault });
      } else if (here && here.outcome !== decision.outcome) {
        conflicts.push({ line, path, decision, note, here });
      } else {
        this.change(step, path, () => this.put(here ?? decision, note));
      }
    }
    this.remember(step);
    this.store();
    return { taken: rows.length - conflicts.length, conflicts, step };
  }
}
