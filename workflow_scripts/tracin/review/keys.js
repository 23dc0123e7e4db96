// Keys: for classes and for everything else.

// Classes that are digits are meant by their own digit, and the digits left over by place: those of all
// other classes where they suffice, else of an image's most probable ones beside its label and the
// suggestion. Of these, the ones for which no digit is left have a button alone.
const DIGITS = [..."1234567890"];
const digitNames = data.classes.filter((name) => /^\d$/.test(name));
const free = DIGITS.filter((digit) => !digitNames.includes(digit));
const fixed = data.classes.length <= DIGITS.length;
let classOfDigit = new Map();

const KEYS = {
  j: () => move(1), ArrowDown: () => move(1), ArrowRight: () => move(1),
  k: () => move(-1), ArrowUp: () => move(-1), ArrowLeft: () => move(-1),
  Home: () => choose(visible[0]), End: () => choose(visible.at(-1)),
  PageDown: () => page(1), PageUp: () => page(-1),
  Enter: () => decide(current.suggested),
  " ": () => decide(current.label),
  x: () => decide(null),
  u: undo,
  c: () => byId("class-name").focus(),
  n: () => byId("note").focus(),
  "/": () => { byId("filters").open = true; byId("by-path").focus(); },
  "?": () => byId("help").showModal(),
};
const REPEATABLE = new Set(["j", "k", "ArrowDown", "ArrowUp", "ArrowLeft", "ArrowRight", "PageDown", "PageUp"]);

/** Scroll what is seen of the chosen suspect; on a small screen it scrolls with the page. */
function page(step) {
  const part = [byId("detail"), document.scrollingElement].find((some) => some.scrollHeight > some.clientHeight);
  part?.scrollBy(0, 0.9 * step * part.clientHeight);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
  const field = event.target.closest("input, textarea, select");
  if (field) {
    if (event.key === "Escape") focusList();
    return;
  }
  // A focused button or summary keeps its own Enter and Space.
  if ((event.key === "Enter" || event.key === " ") && event.target.closest("button, summary")) return;
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key; // as Caps Lock may be on
  const named = classOfDigit.get(key);
  const action = named === undefined ? KEYS[key] : () => decide(named);
  if (!action) return;
  event.preventDefault(); // a key that is held must not scroll the list either
  if (event.repeat && !REPEATABLE.has(key)) return;
  if (current || ["u", "?", "/"].includes(key)) action();
}

/** Buttons for the classes that are digits and the first of `others`, and what digits mean. */
function offer(others) {
  const rest = others.filter((name) => !digitNames.includes(name));
  const keyed = [...digitNames.map((name) => [name, name]), ...rest.map((name, place) => [free[place], name])];
  classOfDigit = new Map(keyed.filter(([digit]) => digit !== undefined));
  const buttons = keyed.map(([digit, name]) => {
    const button = element("button", { type: "button", value: name, title: name }, isolated(name));
    if (digit !== undefined && digit !== name) button.append(element("kbd", {}, digit));
    button.addEventListener("click", () => decide(name));
    return button;
  });
  const held = byId("classes").contains(document.activeElement);
  byId("classes").replaceChildren(...buttons);
  if (held) focusList();
}
