// @ts-check
/** Loads Python and machochain, and answers the page. Runs in a worker; fetches nothing but the page's own files. */

import { ENGINE, FACTS, FILES, LOCK, PYTHON } from "./built.js";

/** @typedef {import("./engine.js").Dropped} Dropped */

const engine = new URL(ENGINE, import.meta.url);
const DROPPED = "/dropped";

const total = FILES.reduce((sum, file) => sum + file.size, 0);
let done = 0;

/** @param {number} bytes */
function arrived(bytes) {
  done += bytes;
  postMessage({ stage: "loading", done: Math.min(done, total), total });
}

/**
 * A file of the engine: from the browser's cache, else from the server, which fills the cache. Its name has the hash
 * of what is in it, so what is in the cache is right.
 * @param {string} name
 */
async function file(name) {
  const address = new URL(name, engine).href;
  const cache = await globalThis.caches?.open(ENGINE).catch(() => undefined);
  const kept = await cache?.match(address);
  const response = kept ?? (await fetch(address, { credentials: "omit" }));
  if (!response.ok || !response.body) throw new Error(`${name}: ${response.status} ${response.statusText}`);
  if (cache && !kept) cache.put(address, response.clone()).catch(() => undefined);
  const counted = new TransformStream({
    transform(chunk, controller) {
      arrived(chunk.byteLength);
      controller.enqueue(chunk);
    },
  });
  return response.body.pipeThrough(counted);
}

/** @param {ReadableStream<Uint8Array>} stream */
const unzipped = (stream) => stream.pipeThrough(/** @type {any} */ (new DecompressionStream("gzip")));

/** @param {ReadableStream<Uint8Array>} stream */
const bytes = async (stream) => new Uint8Array(await new Response(stream).arrayBuffer());

/** Pyodide fetches two files by names of its own: they are sent compressed, whatever the server does. */
function serve(/** @type {Record<string, Promise<ReadableStream<Uint8Array>>>} */ sent) {
  const types = { wasm: "application/wasm", zip: "application/zip" };
  const plain = globalThis.fetch;
  globalThis.fetch = async (input, init) => {
    const name = String(input instanceof Request ? input.url : input).replace(/.*\//, "");
    const found = sent[name];
    if (!found) return plain(input, init);
    const type = name.endsWith(".wasm") ? types.wasm : types.zip;
    return new Response(unzipped(await found), { headers: { "Content-Type": type } });
  };
}

/**
 * Unpack the modules that Python did not need to start. Those of packages that have started lie in two places then.
 * @param {string} library
 */
const unpack = (library) => `
import importlib, os, sys, tarfile
with tarfile.open("/tmp/rest.tar.xz") as archive:
    archive.extractall("${library}", filter="data")
os.unlink("/tmp/rest.tar.xz")
start = next(path for path in sys.path if path.endswith(".zip"))
sys.path.insert(sys.path.index(start) + 1, "${library}")
for module in list(sys.modules.values()):
    for path in list(getattr(module, "__path__", ())):
        if path.startswith(start):
            module.__path__.append("${library}" + path.removeprefix(start))
importlib.invalidate_caches()
`;

async function load() {
  // Pyodide imports this by and by: it shall be on its way with the rest.
  import(new URL("pyodide.asm.mjs", engine).href).catch(() => undefined);
  const rest = file("rest.bin").then(bytes);
  serve({ "pyodide.asm.wasm": file("wasm.bin"), "python_stdlib.zip": file("boot.bin") });
  const address = new URL("pyodide.mjs", engine).href;
  /** @type {typeof import("pyodide")} */
  const { loadPyodide } = await import(address);
  const python = await loadPyodide({
    indexURL: engine.href,
    stdLibURL: new URL("python_stdlib.zip", engine).href,
    lockFileContents: /** @type {any} */ (LOCK),
    stdout: () => undefined,
  });
  const packed = await rest;
  postMessage({ stage: "starting" });
  python.FS.writeFile("/tmp/rest.tar.xz", packed);
  python.runPython(unpack(PYTHON));
  python.FS.mkdir(DROPPED);
  python.FS.mkdirTree(FACTS.replace(/\/[^/]*$/, ""));
  const answers = python.pyimport("docs.page.answer");
  return { python, handle: /** @type {(request: string) => string} */ (answers.handle) };
}

const loaded = load();
/** The facts about macOS come last: they are asked for with the first file, and not for a message. */
const informed = loaded.then(async ({ python }) => {
  python.FS.writeFile(FACTS, await bytes(await file("facts.bin")));
});
loaded.then(
  () => postMessage({ stage: "ready" }),
  (error) => postMessage({ stage: "failed", reason: String(error?.message ?? error) }),
);
informed.then(() => postMessage({ stage: "complete" }), () => undefined);

let mounted = false;

/**
 * Put files where Python finds them: read by slices when they are asked for, never copied.
 * @param {import("pyodide").PyodideAPI} python
 * @param {Dropped[]} files
 */
function mount(python, files) {
  if (mounted) python.FS.unmount(DROPPED);
  mounted = false;
  const blobs = files.map(({ path, file }) => ({ name: path, data: file }));
  python.FS.mount(/** @type {any} */ (python.FS).filesystems.WORKERFS, { blobs }, DROPPED);
  mounted = true;
}

addEventListener("message", async (event) => {
  const { id, files, ...request } = event.data;
  try {
    const { python, handle } = await loaded;
    if (files) {
      if (!(await informed.then(() => true, () => false))) {
        const reason = "What is known about macOS could not be fetched. Is there a connection?";
        postMessage({ id, answer: { kind: "refused", reason }, fatal: true });
        return;
      }
      mount(python, files);
      request.folder = DROPPED;
    }
    postMessage({ id, answer: JSON.parse(handle(JSON.stringify(request))) });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    if (error instanceof RangeError || /MemoryError|allocation failed|out of memory/i.test(words)) {
      const reason = "This takes more memory than the browser gives. The command line can: machochain audit FILE";
      postMessage({ id, answer: { kind: "refused", reason }, fatal: true });
      return;
    }
    const fatal = !(error instanceof Error) || error.constructor.name !== "PythonError";
    postMessage({ id, fault: words, fatal });
  }
});
