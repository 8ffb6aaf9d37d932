// @ts-check
/**
 * The worker that runs machochain: started, asked, stopped.
 *
 * It is started from a blob, because such a worker is bound by this page's Content-Security-Policy. One that is loaded
 * from an address is bound by the headers that come with it, and a static host sends none.
 */

/** @typedef {{ stage: "loading", done: number, total: number } | { stage: "starting" } | { stage: "ready" } | { stage: "complete" } | { stage: "failed", reason: string }} Stage */
/** @typedef {{ path: string, file: File }} Dropped */
/** @typedef {Record<string, any>} Answer */

export class Engine {
  /** @param {string} script Address of the worker's module. @param {(stage: Stage) => void} tell What hears of each stage. */
  constructor(script, tell) {
    this.script = script;
    this.tell = tell;
    /** @type {Map<number, { resolve: (answer: Answer) => void, reject: (error: Error) => void }>} */
    this.waiting = new Map();
    this.number = 0;
    this.ready = false;
    /** @type {Worker | null} */
    this.worker = null;
  }

  /** Start the worker, if there is none. */
  start() {
    if (this.worker) return;
    const blob = new Blob([`import ${JSON.stringify(this.script)};`], { type: "text/javascript" });
    const address = URL.createObjectURL(blob);
    const worker = new Worker(address, { type: "module", name: "machochain" });
    worker.addEventListener("message", (event) => this.heard(event.data));
    worker.addEventListener("error", (event) => this.died(event.message || "it could not be loaded"));
    this.worker = worker;
  }

  /** @param {any} said */
  heard(said) {
    if (said.stage) {
      if (said.stage === "ready") this.ready = true;
      if (said.stage === "failed") this.died(said.reason);
      else this.tell(said);
      return;
    }
    const waiting = this.waiting.get(said.id);
    this.waiting.delete(said.id);
    if (said.fatal) this.stop();
    if (said.fault) waiting?.reject(new Error(said.fault));
    else waiting?.resolve(said.answer);
  }

  /** @param {string} reason */
  died(reason) {
    const waiting = [...this.waiting.values()];
    this.stop();
    this.tell({ stage: "failed", reason });
    for (const each of waiting) each.reject(new Error(reason));
  }

  /**
   * Ask about files or a text, or for the last answer in another form.
   * @param {{ kind: string, files?: Dropped[] } & Record<string, unknown>} request
   * @returns {Promise<Answer>}
   */
  ask(request) {
    this.start();
    const id = ++this.number;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker?.postMessage({ id, ...request });
    });
  }

  /** End the worker; whoever waits for it waits no longer. */
  stop() {
    this.worker?.terminate();
    this.worker = null;
    this.ready = false;
    for (const each of this.waiting.values()) each.reject(new DOMException("cancelled", "AbortError"));
    this.waiting.clear();
  }
}
