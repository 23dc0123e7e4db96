// The rows of a corrections file: read, checked, written.

const COLUMNS = ["path", "sha256", "action", "label", "previous_label", "note", "decided_at"];
const DATE = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?$/;

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

/** The rows of a corrections file as { line, decision, note, fault }, a fault being the row's own. */
function readCorrections(text) {
  const [start] = text.split(/[\r\n]/, 1);
  if (start.includes(";") && !start.includes(",")) throw new Error(PROBLEMS.semicolons);
  const [{ cells: header } = { cells: [] }, ...rows] = parseCsv(text);
  checkHeader(header);
  return rows.map(({ line, cells }) => {
    const row = Object.fromEntries(COLUMNS.map((name) => [name, cells[header.indexOf(name)] ?? ""]));
    const wrong = cells.length !== header.length;
    return { line, ...fromRow(row), fault: wrong ? PROBLEMS.cells(cells.length, header.length) : contradiction(row) };
  });
}

function checkHeader(header) {
  const missing = COLUMNS.filter((name) => !header.includes(name));
  if (missing.length) throw new Error(PROBLEMS.columns(missing.join(", ")));
  const more = header.filter((name, place) => !COLUMNS.includes(name) || header.indexOf(name) !== place);
  if (more.length) throw new Error(PROBLEMS.moreColumns(more.join(", ")));
}

/** How a row's action and its labels contradict each other, or undefined. */
function contradiction({ action, label, previous_label: previous }) {
  if (action === "keep" && label && label !== previous) return PROBLEMS.keepsOther;
  if (action === "remove" && label) return PROBLEMS.removesLabel;
  return action === "relabel" && label === previous ? PROBLEMS.relabelsAlike : undefined;
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

/** A file's rows, each with its fault if it has one: of those that contradict each other both have. */
function checked(rows, known) {
  const first = new Map();
  const found = rows.map((row) => ({ ...row, fault: row.fault ?? faultOf(row.decision, known) }));
  for (const row of found.filter(({ fault }) => !fault)) {
    const earlier = first.get(row.decision.path);
    if (!earlier) {
      first.set(row.decision.path, row);
    } else if (earlier.decision.outcome === row.decision.outcome) {
      row.fault = PROBLEMS.repeats(earlier.line);
    } else {
      row.fault = PROBLEMS.contradicts(earlier.line);
      earlier.fault ??= PROBLEMS.contradicts(row.line);
    }
  }
  return found;
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
