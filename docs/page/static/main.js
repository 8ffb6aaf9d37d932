// @ts-check
/** The page: takes what is dropped, pasted or chosen, asks the engine, shows the answer. */

import { EXAMPLES, RELEASES } from "./built.js";
import { Engine } from "./engine.js";
import { chosen, dropped, names, Refusal, size, taken } from "./intake.js";

/** @typedef {import("./engine.js").Dropped} Dropped */
/** @typedef {{ kind: "files", files: Dropped[] } | { kind: "text", text: string }} Asked */

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @returns {T}
 */
const by = (id) => /** @type {T} */ (document.getElementById(id));

const drop = by("drop");
const status = by("status");
const progress = /** @type {HTMLProgressElement} */ (by("progress"));
const cancel = /** @type {HTMLButtonElement} */ (by("cancel"));
const again = /** @type {HTMLButtonElement} */ (by("again"));
const text = /** @type {HTMLTextAreaElement} */ (by("text"));
const at = /** @type {HTMLInputElement} */ (by("at"));
const fileField = /** @type {HTMLInputElement} */ (by("files"));
const folderField = /** @type {HTMLInputElement} */ (by("folder"));
const choices = /** @type {HTMLSelectElement[]} */ (["macos", "arch", "others", "profile"].map(by));
const FORMS = { text: "text", markdown: "Markdown", json: "JSON", sarif: "SARIF", html: "HTML report" };

/** @type {Asked | null} */
let asked = null;
let turn = 0;

const engine = new Engine(new URL("./worker.js", import.meta.url).href, (stage) => {
  const loading = stage.stage === "loading" || stage.stage === "starting";
  if (engine.ready && loading) return;
  progress.hidden = !loading;
  again.hidden = stage.stage !== "failed";
  if (stage.stage === "loading") {
    progress.value = stage.done / stage.total;
    if (!progress.dataset.told) say(`Getting ready (${size(stage.total)}, once) …`);
    progress.dataset.told = "yes";
  } else if (stage.stage === "starting") {
    progress.removeAttribute("value");
  } else if (stage.stage === "ready") {
    delete progress.dataset.told;
    say(cancel.hidden ? "Ready." : working());
  } else if (stage.stage === "complete") {
    keepForLater();
  } else {
    say(`This browser could not start the engine: ${stage.reason}`);
  }
});

/** @param {string} words */
function say(words) {
  status.textContent = words;
}

function working() {
  if (asked?.kind !== "files") return "Reading the message …";
  const bytes = asked.files.reduce((sum, each) => sum + each.file.size, 0);
  const [first, ...more] = names(asked.files);
  return `Reading ${first}${more.length ? ` and ${more.length} more` : ""} (${size(bytes)}) …`;
}

/** Bytes that an archive may take when it is unpacked: a phone ends a page that takes more. */
function room() {
  const { deviceMemory } = /** @type {{ deviceMemory?: number }} */ (navigator);
  const gigabytes = deviceMemory ? deviceMemory / 8 : matchMedia("(pointer: coarse)").matches ? 0.25 : 1;
  return Math.min(1, Math.max(0.25, gigabytes)) * 1024 ** 3;
}

/** What is asked about the Mac. */
function question() {
  const [macos, arch, others, profile] = choices.map((field) => field.value);
  return { macos, arch, others, profile, at: at.value.trim(), room: room() };
}

/** Ask what was asked last, with the choices as they are now. */
async function ask() {
  if (!asked) return;
  by("at-error").textContent = "";
  const place = at.value.trim();
  if (place && (!place.startsWith("/") || place.split("/").includes(".."))) {
    by("at-error").textContent = "A place on a Mac begins with / and has no .. in it, such as /usr/local/bin/tool.";
    at.focus();
    return;
  }
  const mine = ++turn;
  if (engine.waiting.size && engine.ready) engine.stop();
  document.body.classList.add("stale");
  cancel.hidden = false;
  if (engine.ready) say(working());
  const began = performance.now();
  try {
    const request = asked.kind === "files" ? { ...asked, names: names(asked.files), ...question() } : asked;
    const answer = await engine.ask(request);
    if (mine !== turn) return;
    show(answer);
    say(`Answered in ${((performance.now() - began) / 1000).toFixed(1)} s. Nothing was sent anywhere.`);
  } catch (error) {
    if (mine !== turn) return;
    say("");
    if (!(error instanceof DOMException && error.name === "AbortError")) show({ kind: "fault", reason: String(error) });
  } finally {
    if (mine === turn) {
      cancel.hidden = true;
      document.body.classList.remove("stale");
    }
  }
}

/**
 * Markup that machochain's reports made, and escaped. The page's policy lets no script in it run.
 * @param {string} html
 */
function markup(html) {
  const parsed = new DOMParser().parseFromString(html, "text/html");
  return [...parsed.body.childNodes];
}

/** @param {import("./engine.js").Answer} answer */
function show(answer) {
  const refused = answer.kind === "refused" || answer.kind === "fault";
  by("answer").hidden = false;
  document.body.classList.add("answered");
  by("card").replaceChildren(...(refused ? [refusal(answer)] : markup(answer.card)));
  for (const pre of by("card").querySelectorAll("pre")) copyable(/** @type {HTMLElement} */ (pre));
  by("report").replaceChildren(...markup(answer.report ?? ""));
  by("tree").hidden = !answer.tree;
  by("tree-text").textContent = answer.tree ?? "";
  by("same").hidden = !answer.command || answer.state === "none";
  by("command").textContent = answer.command ?? "";
  by("out").replaceChildren(...(answer.forms ?? []).map(formButton));
  by("out").hidden = !answer.forms || answer.state === "none";
  if (answer.report) enliven();
  const title = by("answer-title");
  title.focus({ preventScroll: true });
  by("answer").scrollIntoView({ block: "start" });
}

/** @param {import("./engine.js").Answer} answer */
function refusal(answer) {
  const card = document.createElement("div");
  card.className = "card none";
  const title = document.createElement("h2");
  title.id = "answer-title";
  title.tabIndex = -1;
  title.textContent = answer.kind === "refused" ? answer.reason : "machochain failed on this. The fault is ours.";
  const said = document.createElement("div");
  said.className = "said";
  said.append(title);
  if (answer.kind === "fault") {
    const pre = document.createElement("pre");
    pre.textContent = answer.reason.slice(-2000);
    said.append(pre);
  }
  card.append(said);
  return card;
}

/** The picture's zoom, filter and details: the report's own script, run anew for each report. */
function enliven() {
  const script = document.createElement("script");
  script.src = new URL(`./report.js?${turn}`, import.meta.url).href;
  by("report").append(script);
}

/** @param {HTMLElement} pre */
function copyable(pre) {
  const box = document.createElement("div");
  box.className = "copied";
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", () => copied(button, pre.textContent ?? ""));
  pre.replaceWith(box);
  box.append(pre, button);
}

/**
 * @param {HTMLButtonElement} button
 * @param {string | Promise<string>} words
 */
async function copied(button, words) {
  const label = button.textContent;
  try {
    const blob = Promise.resolve(words).then((all) => new Blob([all], { type: "text/plain" }));
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    button.textContent = "Copied";
    say("Copied.");
  } catch {
    say("The browser does not let this page copy.");
  }
  setTimeout(() => { button.textContent = label; }, 1500);
}

/** @param {"text" | "markdown" | "json" | "sarif" | "html"} form */
function formButton(form) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.form = form;
  const saves = form === "html" || form === "sarif";
  button.textContent = `${saves ? "Save" : "Copy"} ${FORMS[form]}`;
  const rendered = () => engine.ask({ kind: "render", form }).then((answer) => String(answer.text));
  button.addEventListener("click", () => (saves ? saved(form, rendered()) : copied(button, rendered())));
  return button;
}

/**
 * @param {string} form
 * @param {Promise<string>} words
 */
async function saved(form, words) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([await words], { type: "application/octet-stream" }));
  link.download = `machochain.${form}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** @param {Asked} what */
function begin(what) {
  asked = what;
  return ask();
}

/** @param {Promise<Dropped[]> | Dropped[]} found */
async function take(found) {
  try {
    const files = taken(await found);
    text.value = "";
    await begin({ kind: "files", files });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    show({ kind: "refused", reason: error.message });
  }
}

function takeText() {
  if (text.value.trim()) begin({ kind: "text", text: text.value });
  else text.focus();
}

// Where things come in

for (const name of /** @type {const} */ (["dragenter", "dragover"])) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
}
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) drop.classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  const transfer = event.dataTransfer;
  if (!transfer) return;
  const words = transfer.files.length ? "" : transfer.getData("text/plain");
  if (words) {
    text.value = words;
    takeText();
  } else take(dropped(transfer));
});
document.addEventListener("paste", (event) => {
  const board = event.clipboardData;
  if (!board) return;
  if (board.files.length) {
    event.preventDefault();
    take(chosen(board.files));
  } else if (event.target === text) {
    setTimeout(takeText);
  } else if (event.target !== at && board.getData("text/plain").trim()) {
    event.preventDefault();
    text.value = board.getData("text/plain");
    takeText();
  }
});
by("choose").addEventListener("click", () => fileField.click());
by("choose-folder").addEventListener("click", () => folderField.click());
for (const field of [fileField, folderField]) {
  field.addEventListener("change", () => {
    if (field.files?.length) take(chosen(field.files));
    field.value = "";
  });
}
by("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  takeText();
});
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) takeText();
});
at.addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  if (asked?.kind === "files") ask();
});
for (const field of [...choices, at]) {
  field.addEventListener("change", () => {
    if (asked?.kind === "files") ask();
  });
}
cancel.addEventListener("click", () => {
  turn += 1;
  engine.stop();
  cancel.hidden = true;
  document.body.classList.remove("stale");
  say("Cancelled.");
  engine.start();
});

// What is offered

for (const [value, words] of RELEASES) choices[0].add(new Option(words, value));
for (const example of EXAMPLES) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = example.words;
  button.addEventListener("click", async () => {
    try {
      const address = new URL(example.file, import.meta.url).href;
      const response = await fetch(address);
      if (!response.ok) throw new Refusal(`The example is not there: ${response.status}`);
      const blob = await response.blob();
      if (example.text) {
        text.value = await blob.text();
        takeText();
      } else await take([{ path: example.name, file: new File([blob], example.name) }]);
    } catch (error) {
      show({ kind: "refused", reason: error instanceof Refusal ? error.message : "The example cannot be fetched without a connection." });
    }
  });
  by("examples").append(button);
}

/** Let a service worker keep the page, now that all of it has arrived. */
async function keepForLater() {
  try {
    await navigator.serviceWorker.register(new URL("../serviceworker.js", import.meta.url).href);
    await navigator.serviceWorker.ready;
    if (status.textContent === "Ready.") say("Ready. It works without a connection now.");
  } catch {
    // Not kept: it has to be fetched again next time, and works all the same.
  }
}

again.addEventListener("click", () => {
  again.hidden = true;
  if (asked) ask();
  else engine.start();
});

// Who has asked the browser to save data gets nothing before there is a question.
const { connection } = /** @type {{ connection?: { saveData?: boolean } }} */ (navigator);
if (connection?.saveData) say("Nothing is loaded before you ask: your browser saves data.");
else engine.start();
