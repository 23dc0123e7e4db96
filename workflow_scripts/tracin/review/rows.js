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
