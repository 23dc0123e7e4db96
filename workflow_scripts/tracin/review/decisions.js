"use strict";
// What was decided, kept by path: { path, sha256, outcome, previous, decidedAt }, where outcome is
// the label that the image ends with, or null when it is removed. Notes are kept beside it.

const COLUMNS = ["path", "sha256", "action", "label", "previous_label", "note", "decided_at"];
const LONGEST_HISTORY = 1000;
const DATE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$/;
// Everything that the page says is wrong; docs/errors.md lists it.
const PROBLEMS = {
  unreadable: (file, reason) => `${file} can't be read: ${reason}.`,
  quotes: (line) => `line ${line}: a quote is not closed or stands in the wrong place`,
  columns: (names) => `it has no column ${names}`,
  noDecision: "not a decision",
  unknownClass: "unknown class",
  noDate: "decided_at is not a time with a time zone",
  otherImage: "the image changed since",
  otherLabel: "the label changed since",
  noSuchImage: "no training image has this path, content and label",
  noSuchClass: "No class has this name.",
  notesLeftOut: (count) => `Notes on undecided images are not in the file: ${count}.`,
  notRemembered: "This browser does not remember decisions: save often.",
};

// Cells that a spreadsheet might run get an apostrophe, which reading takes away again.
const GUARDED = /^[=+\-@\t\r\n＝＋－＠']/;
const guard = (text) => (GUARDED.test(text) ? `'${text}` : text);
const unguard = (cell) => (cell[0] === "'" && GUARDED.test(cell.slice(1)) ? cell.slice(1) : cell);
const quoted = (text) => `"${guard(text).replaceAll('"', '""')}"`;

/** Rows of a CSV text as { line, cells }; cells may hold commas, quotes and line breaks. */
function parseCsv(text) {
  const rows = [];
  const field = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  let cells = [];
  let line = 1;
  let start = 1;
  field.lastIndex = text.charCodeAt(0) === 0xfeff ? 1 : 0;
  while (field.lastIndex < text.length || cells.length) {
    const match = field.exec(text);
    if (!match) throw new Error(PROBLEMS.quotes(line));
    cells.push(unguard(match[1] === undefined ? match[2] : match[1].replaceAll('""', '"')));
    line += (match[0].match(/\r\n|\n|\r/g) || []).length;
    if (match[3] !== ",") {
      if (cells.length > 1 || cells[0] !== "") rows.push({ line: start, cells });
      cells = [];
      start = line;
    }
  }
  return rows;
}

/** The rows of a corrections file as { line, decision, note }. */
function readCorrections(text) {
  const [header, ...rows] = parseCsv(text);
  const places = COLUMNS.map((name) => (header ? header.cells.indexOf(name) : -1));
  const missing = COLUMNS.filter((_, index) => places[index] < 0);
  if (missing.length) throw new Error(PROBLEMS.columns(missing.join(", ")));
  return rows.map(({ line, cells }) => {
    const values = places.map((place) => cells[place] ?? "");
    return { line, ...fromRow(Object.fromEntries(COLUMNS.map((name, i) => [name, values[i]]))) };
  });
}

function fromRow(row) {
  const outcomes = { remove: null, keep: row.previous_label, relabel: row.label };
  return {
    decision: {
      path: row.path,
      sha256: row.sha256,
      outcome: outcomes[row.action],
      previous: row.previous_label,
      decidedAt: row.decided_at,
    },
    note: row.note,
  };
}

function toRow(decision, note) {
  const { path, sha256, outcome, previous, decidedAt } = decision;
  const action = outcome === null ? "remove" : outcome === previous ? "keep" : "relabel";
  return [path, sha256, action, outcome ?? "", previous, note, decidedAt];
}

/** Two notes on one image; lines that the other holds already are not repeated. */
function joined(mine, theirs) {
  const holds = (note, part) => `\n${note}\n`.includes(`\n${part}\n`);
  if (!mine || holds(theirs, mine)) return theirs;
  return holds(mine, theirs) ? mine : `${mine}\n${theirs}`;
}

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
      if (before === decision?.outcome) continue;
      if (here?.outcome === before || here?.outcome === decision?.outcome) {
        this.take(path, decision, note);
        changed = true;
      } else {
        disputed.push({ line: "", path, decision, note, here });
      }
    }
    if (changed) this.store();
    return disputed;
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
    if (given) this.known.set(path, given.decision.outcome);
    else this.known.delete(path);
  }

  /** End disputes by the other side's word, or by what was said here. */
  settle(disputes, theirs) {
    for (const { path, decision, note } of disputes) {
      if (theirs) this.take(path, decision, note);
      else this.learn(path);
    }
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
      this.known = new Map(saved.known);
      return true;
    } catch {
      return false;
    }
  }

  store() {
    const notes = [...this.notes];
    const saved = { decisions: [...this.byPath.values()], notes, history: this.history, known: [...this.known] };
    try {
      localStorage.setItem(this.key, JSON.stringify(saved));
      this.stored = true;
    } catch {
      this.stored = false;
    }
  }

  put(decision, note) {
    const { path } = decision;
    this.byPath.set(path, decision);
    if (note) this.notes.set(path, joined(this.notes.get(path), note));
  }

  decide(item, outcome) {
    this.history.push({ path: item.path, before: this.byPath.get(item.path) ?? null });
    if (this.history.length > LONGEST_HISTORY) this.history.shift();
    const decidedAt = new Date().toISOString();
    const { path, sha256, original: previous } = item;
    this.put({ path, sha256, outcome, previous, decidedAt });
    this.store();
  }

  /** Take the last decision back; its path, or undefined when there is none. */
  undo() {
    const last = this.history.pop();
    if (!last) return undefined;
    if (last.before) this.byPath.set(last.path, last.before);
    else this.byPath.delete(last.path);
    this.store();
    return last.path;
  }

  setNote(path, text) {
    if (text) this.notes.set(path, text);
    else this.notes.delete(path);
    this.store();
  }

  /** How many images have a note but no decision, so that no file holds it. */
  notesAlone() {
    return [...this.notes.keys()].filter((path) => !this.byPath.has(path)).length;
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
    let taken = 0;
    for (const { line, decision, note } of rows) {
      const { path } = decision;
      const here = this.byPath.get(path);
      const fault = faultOf(decision, known);
      if (fault) {
        conflicts.push({ line, path, decision, fault });
      } else if (here && here.outcome !== decision.outcome) {
        conflicts.push({ line, path, decision, note, here });
      } else {
        this.put(decision, note);
        taken += 1;
      }
    }
    this.store();
    return { taken, conflicts };
  }
}

/** CRC-32, as zlib counts it, of what a row says about its image. */
function checksum({ path, sha256, previous }) {
  let crc = -1;
  for (const byte of new TextEncoder().encode([path, sha256, previous].join("\0"))) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (0xedb88320 & -(crc & 1));
  }
  return ~crc >>> 0;
}

/** The checksums of all training images, of which the page shows some. */
function readChecksums(base64) {
  return new Set(new Uint32Array(Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)).buffer));
}

/** Why a file's row can't be used, as the rule that reads the saved file would find, or undefined. */
function faultOf(decision, { items, classes, training }) {
  const item = items.get(decision.path);
  if (!decision.path || decision.outcome === undefined) return PROBLEMS.noDecision;
  if (!DATE.test(decision.decidedAt)) return PROBLEMS.noDate;
  if (decision.outcome !== null && !classes.includes(decision.outcome)) return PROBLEMS.unknownClass;
  if (item && item.sha256 !== decision.sha256) return PROBLEMS.otherImage;
  if (item && item.original !== decision.previous) return PROBLEMS.otherLabel;
  if (!training.has(checksum(decision))) return PROBLEMS.noSuchImage;
  return undefined;
}
