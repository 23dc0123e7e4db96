// Decisions as a file: saved, loaded, and what speaks against a file's rows.

const counted = (decided) => `${decided} ${decided === 1 ? "decision" : "decisions"}`;

function save() {
  const link = element("a", { download: "corrections.csv" });
  link.href = URL.createObjectURL(new Blob([decisions.toCsv()], { type: "text/csv" }));
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  const alone = decisions.notesAlone();
  const apart = decisions.copiesApart().map((pair) => pair.map(nameOf).join(" and ")).join(", ");
  const words = [
    `${counted(decisions.byPath.size)} saved. Put the file at data/corrections.csv, then run snakemake --cores all corrected, with the --configfile of the run if it had one.`,
    ...(alone ? [PROBLEMS.notesLeftOut(alone)] : []),
    ...(apart ? [PROBLEMS.copiesApart(apart)] : []),
  ];
  view.say(words.join(" "), true);
}

/** The text of a file's bytes, none of which is guessed. */
function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw new Error(PROBLEMS.notUtf8);
  }
}

async function load() {
  const [file] = byId("file").files;
  byId("file").value = "";
  if (!file) return;
  try {
    const result = decisions.load(readCorrections(decoded(await file.arrayBuffer())), known);
    refresh();
    const alike = result.taken - result.step.length;
    view.say(`${counted(result.taken)} loaded${alike ? `, ${alike} of them as here already` : ""}.`);
    if (result.conflicts.length) listConflicts(result);
  } catch (problem) {
    view.say(PROBLEMS.unreadable(file.name, problem.message), true);
  }
}

/** List what was not taken over from a file, and let the person choose where it says otherwise. */
function listConflicts({ taken, conflicts, step }, source = "the file") {
  const open = conflicts.filter(({ fault }) => !fault);
  byId("loaded-title").textContent = `${counted(taken)} loaded, ${conflicts.length} not`;
  byId("loaded-text").textContent = open.length
    ? `Where ${source} says otherwise, nothing was changed so far.`
    : "These rows can't be used.";
  byId("loaded-rows").replaceChildren(
    ...conflicts.map(({ line, path, decision, here, fault }) =>
      element("tr", {}, ...[String(line), path, view.outcomeWords(here), fault ?? view.outcomeWords(decision)].map((text) => element("td", {}, text))),
    ),
  );
  byId("loaded-source").textContent = `In ${source}`;
  byId("take-file").textContent = `Take ${source}'s`;
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
