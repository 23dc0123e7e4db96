// Keys: for classes and for everything else.

// Classes that are digits are meant by their own digit, others by their place: among all classes
// where digits suffice, else among an image's most probable ones beside its label and the suggestion.
const DIGITS = "1234567890";
const digitNames = data.classes.filter((name) => /^\d$/.test(name));
const fixed = digitNames.length > 0 || data.classes.length <= DIGITS.length;
let classOfDigit = new Map(digitNames.map((name) => [name, name]));

function keyed(names) {
  return new Map(names.map((name, index) => [DIGITS[index], name]));
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
