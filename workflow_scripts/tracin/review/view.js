// What is seen. Text is only ever set as text, so that a name can't become markup.

const byId = (id) => document.getElementById(id);

/** A share in percent; nothing below one is said to be all. */
function percent(share) {
  if (share < 0.99 || share === 1) return `${(100 * share).toFixed(0)}%`;
  return `${(Math.floor(1000 * share + 1e-6) / 10).toFixed(1)}%`;
}

/** A count with its thousands set apart. */
function grouped(count) {
  return count.toLocaleString("en");
}

const LAST = 20; // decisions that say whether going on is worth it
const MOST = 2000; // as much as review.top_n may be
const NAMES = {
  undecided: ["", "undecided"],
  kept: ["✓", "kept"],
  relabelled: ["✎", "relabelled"],
  removed: ["✕", "removed"],
};
const EVIDENCE = [
  ["opponents", "Opponents", "training on them raises the loss of this image's label"],
  ["proponents", "Proponents", "training on them lowers the loss of this image's label"],
  ["neighbours", "Nearest neighbours", "training images that the model sees as most alike"],
];

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

/** A name whose direction of writing leaves the text around it in its place. */
const isolated = (name) => element("bdi", {}, name);

class View {
  constructor(data, decisions) {
    Object.assign(this, { data, decisions });
    this.rows = new Map();
    this.lazy = new IntersectionObserver((entries) => this.reveal(entries), {
      root: byId("list"),
      rootMargin: "400px",
    });
  }

  thumbnail(id) {
    return this.data.small[id] ?? this.data.large[id];
  }

  reveal(entries) {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      target.querySelector("img").src = this.thumbnail(target.dataset.id);
      this.lazy.unobserve(target);
    }
  }

  buildList() {
    const cut = this.data.estimate.suggested_cut;
    const list = document.createDocumentFragment();
    for (const item of this.data.items) {
      const row = element("div", { role: "option", id: `row-${item.id}`, "aria-selected": "false" });
      row.dataset.id = item.id;
      row.classList.toggle("beyond", cut !== undefined && item.rank > cut);
      const labels = element("span", { class: "change" }, isolated(item.label), " → ", isolated(item.suggested));
      const place = element("span", { class: "number" }, `#${item.rank}`);
      row.append(element("img", { alt: "", width: 44, height: 44 }), place, labels, element("span", { class: "state" }));
      this.rows.set(item.id, row);
      this.lazy.observe(row);
      list.append(row);
      this.markRow(item);
    }
    byId("list").append(list);
    document.body.classList.toggle("pixelated", this.data.pixelated);
  }

  outcomeWords(decision) {
    if (!decision) return "undecided";
    if (decision.outcome === null) return "remove";
    const verb = decision.outcome === decision.previous ? "keep" : "relabel as";
    return `${verb} ${decision.outcome}`;
  }

  markRow(item) {
    const row = this.rows.get(item.id);
    const state = this.decisions.stateOf(item);
    const decision = this.decisions.byPath.get(item.path);
    const [sign, name] = NAMES[state];
    row.dataset.state = state;
    row.lastChild.textContent = state === "relabelled" ? `${sign} ${decision.outcome}` : sign;
    const said = state === "relabelled" ? `relabelled as ${decision.outcome}` : name;
    row.setAttribute("aria-label", `${item.rank}: label ${item.label}, suggestion ${item.suggested}, ${said}, ${item.path}`);
  }

  showProgress() {
    const { items } = this.data;
    const decided = items.filter((item) => this.decisions.byPath.has(item.path));
    const progress = byId("progress");
    progress.max = Math.max(1, items.length);
    progress.value = decided.length;
    byId("count").textContent = `${grouped(decided.length)} of ${grouped(items.length)} decided${this.yieldWords(decided)}`;
    byId("undo").disabled = this.decisions.history.length === 0;
    byId("save").disabled = this.decisions.byPath.size === 0;
  }

  /** How many of the decided were changed, and how many of the last in the list, earlier reviews' left out. */
  yieldWords(decided) {
    if (!decided.length) return "";
    const changed = (some) => some.filter((item) => this.decisions.changes(item)).length;
    const anew = decided.filter((item) => !item.reviewed);
    const last = anew.length < LAST ? "" : ` (of the last ${LAST}: ${changed(anew.slice(-LAST))})`;
    return `, ${changed(decided)} changed${last}`;
  }

  cutWords({ estimated_errors: errors, images, suggested_cut: cut }, shown) {
    if (cut === 0) return [`None of the ${grouped(images)} labels is estimated to be wrong.`];
    const are = errors === 1 ? "is" : "are";
    const first = cut === 1 ? "the first" : `the first ${grouped(cut)}`;
    const words = [`About ${grouped(errors)} of ${grouped(images)} labels ${are} estimated to be wrong; reviewing ${first} is worth it.`];
    if (cut > shown && shown < MOST) words.push("Set review.top_n to see more of them here.");
    else if (cut > shown) words.push("A page shows no more: correct these, run corrected, and go on with its page.");
    return words;
  }

  showEstimate() {
    const { estimate, labels, items } = this.data;
    const parts = [`Label set “${labels}”, ${grouped(items.length)} most suspicious of the training images.`];
    if (estimate.estimated_errors !== undefined) {
      parts.push(...this.cutWords(estimate, items.length));
    }
    byId("estimate").textContent = parts.join(" ");
  }

  select(item) {
    for (const row of byId("list").querySelectorAll("[aria-selected=true]")) row.setAttribute("aria-selected", "false");
    byId("detail").hidden = !item;
    if (!item) {
      byId("list").removeAttribute("aria-activedescendant");
      return;
    }
    const row = this.rows.get(item.id);
    row.setAttribute("aria-selected", "true");
    byId("list").setAttribute("aria-activedescendant", row.id);
    row.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.showDetail(item);
  }

  showDetail(item) {
    const image = byId("image");
    image.src = this.data.large[item.id];
    image.alt = `Training image labelled ${item.label}`;
    byId("path").textContent = item.path;
    byId("rank").textContent = `Rank ${item.rank}` + (item.suspicion === null ? "" : `, suspicion ${item.suspicion.toFixed(2)}`);
    byId("label").textContent = item.label;
    byId("suggestion").textContent = item.suggested;
    byId("probability").textContent = item.probability === null ? "" : percent(item.probability);
    byId("accept-text").replaceChildren("Change to ", isolated(item.suggested));
    byId("keep-text").replaceChildren("Keep ", isolated(item.label));
    byId("note").value = this.decisions.notes.get(item.path) ?? "";
    byId("class-name").value = "";
    byId("class-name").removeAttribute("aria-invalid");
    byId("class-problem").textContent = "";
    this.showState(item);
    const reasons = item.reasons.length ? item.reasons : ["no single signal stands out"];
    byId("reasons").replaceChildren(...reasons.map((reason) => element("li", {}, reason)));
    this.showSignals(item);
    this.showEvidence(item);
  }

  showState(item) {
    const state = this.decisions.stateOf(item);
    const decision = this.decisions.byPath.get(item.path);
    byId("detail").dataset.state = state;
    byId("state").textContent = `${NAMES[state][0]} ${NAMES[state][1]}${state === "relabelled" ? ` as ${decision.outcome}` : ""}`;
    const outcome = decision === undefined ? undefined : decision.outcome;
    for (const button of byId("classes").children) button.setAttribute("aria-pressed", String(button.value === outcome));
  }

  showSignals(item) {
    const rows = Object.entries(item.signals).sort((a, b) => b[1] - a[1]);
    byId("signals").hidden = rows.length === 0;
    byId("signal-rows").replaceChildren(
      ...rows.map(([name, share]) => {
        const meter = element("meter", { value: share, "aria-hidden": "true" });
        const words = `higher than ${percent(share)} of the images`;
        return element("tr", {}, element("th", { scope: "row" }, name.replaceAll("_", " ")), element("td", {}, meter), element("td", {}, words));
      }),
    );
  }

  showEvidence(item) {
    const strips = EVIDENCE.filter(([kind]) => item[kind].length).map(([kind, title, words]) =>
      this.strip(title, words, item[kind].map((id) => this.exhibit(id, item, this.data.images[id][1]))),
    );
    if (item.mistakes.length) {
      const shown = item.mistakes.map((mistake) => {
        const caption = `${mistake.label} taken for ${mistake.predicted}`;
        const figure = this.exhibit(mistake.id, item, caption);
        const words = mistake.influence < 0 ? "opponent: raises its loss" : "proponent: lowers its loss";
        figure.append(element("small", {}, words));
        return figure;
      });
      strips.push(this.strip("Test mistakes it takes part in", "test images that the model gets wrong, with this image among their strongest", shown));
    }
    byId("evidence").replaceChildren(this.legend(item), ...strips);
  }

  legend(item) {
    const given = element("span", { class: "as-given" }, "labelled ", isolated(item.label));
    const suggested = element("span", { class: "as-suggested" }, "labelled ", isolated(item.suggested));
    return element("p", { class: "legend" }, "Framed: ", given, suggested);
  }

  strip(title, words, figures) {
    const heading = element("h2", {}, title, " ", element("small", {}, words));
    return element("section", { class: "strip" }, heading, element("div", { class: "figures" }, ...figures));
  }

  /** A thumbnail with its label, framed by whether that is the suspect's label or the suggestion. */
  exhibit(id, item, caption) {
    const [path, label] = this.data.images[id];
    const image = element("img", { src: this.thumbnail(id), alt: path, width: 64, height: 64 });
    const figure = element("figure", { title: path }, image, element("figcaption", {}, caption));
    if (label === item.label) figure.classList.add("as-given");
    else if (label === item.suggested) figure.classList.add("as-suggested");
    return figure;
  }

  /** Say a text, or several parts, for a moment, or until something else is said. */
  say(words, stays = false) {
    byId("status").replaceChildren(...[words].flat());
    clearTimeout(this.silence);
    if (!stays) this.silence = setTimeout(() => { byId("status").textContent = ""; }, 4000);
  }
}
