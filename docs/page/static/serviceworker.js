// @ts-check
/**
 * Keeps the page for when there is no connection. It answers for this page's own files only.
 * What is below a folder named by its hash never changes; index.html is asked for anew while there is a connection.
 */

const SHELL = "@PAGE@";
const FILES = JSON.parse('@FILES@');
const sw = /** @type {ServiceWorkerGlobalScope} */ (/** @type {unknown} */ (self));

sw.addEventListener("install", (event) => event.waitUntil(keep()));
sw.addEventListener("activate", (event) => event.waitUntil(forget()));

async function keep() {
  const cache = await caches.open(SHELL);
  for (const name of FILES) {
    const address = new URL(name, sw.registration.scope).href;
    if (!(await caches.match(address))) await cache.add(address);
  }
  await sw.skipWaiting();
}

async function forget() {
  const current = new Set([SHELL, ...FILES.map((/** @type {string} */ name) => name.split("/")[0])]);
  for (const name of await caches.keys()) {
    if (/^(page|engine)-/.test(name) && !current.has(name)) await caches.delete(name);
  }
  await sw.clients.claim();
}

sw.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(sw.registration.scope)) return;
  event.respondWith(request.mode === "navigate" ? newest(request) : kept(request));
});

/** @param {Request} request */
async function newest(request) {
  try {
    return await fetch(request);
  } catch (error) {
    const found = await caches.match(new URL("./", sw.registration.scope).href);
    if (found) return found;
    throw error;
  }
}

/** @param {Request} request */
async function kept(request) {
  return (await caches.match(request, { ignoreSearch: true })) ?? fetch(request);
}
