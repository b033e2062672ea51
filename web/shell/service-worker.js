// The service worker: keeps the page and the shipped models on the device, and lets requests out only to where the reader
// allows them. Models of the library are not kept here; they lie in the page's own file system.
"use strict";

// Every file of the bundle with its SHA-256, and those that only a device without WebGPU needs. The build writes this line.
const BUNDLE = { version: "none", files: {}, processor: {} };
const ALL = { ...BUNDLE.files, ...BUNDLE.processor };

const PREFIX = "citer-shell-";
const CACHE = PREFIX + BUNDLE.version;
const SCOPE = new URL(registration.scope);
const ORIGIN = SCOPE.origin;

// ---- The bundle ----

const address = path => new URL(path, SCOPE).href;

async function sha256(bytes) {
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(hash), byte => byte.toString(16).padStart(2, "0")).join("");
}

/** The file as it is kept from another version, if it is the same. */
async function kept(url, wanted) {
  for (const name of await caches.keys()) {
    if (!name.startsWith(PREFIX)) continue;
    const found = await (await caches.open(name)).match(url);
    if (found && (await sha256(await found.clone().arrayBuffer())) === wanted) return found;
  }
}

async function fetched(url, wanted) {
  const response = await fetch(url, { cache: "no-cache" });
  if (!response.ok) throw new Error(`${url}: status ${response.status}`);
  const bytes = await response.arrayBuffer();
  if ((await sha256(bytes)) !== wanted) throw new Error(`${url}: not the file of version ${BUNDLE.version}`);
  const type = response.headers.get("Content-Type") ?? "application/octet-stream";
  return new Response(bytes, { headers: { "Content-Type": type, "Content-Length": String(bytes.byteLength) } });
}

/** Keeps some files of the bundle, each of which must be that of this version. */
async function keep(files) {
  const cache = await caches.open(CACHE);
  const one = async ([path, hash]) => {
    const url = address(path);
    if (await cache.match(url)) return;
    const found = await kept(url, hash);
    if (!found && settings?.airplane) throw new Error("the network is switched off");
    await cache.put(url, found ?? (await fetched(url, hash)));
  };
  await Promise.all(Object.entries(files).map(one));
}

/** Whether an older version has the engine on the processor, which this device then needs in the newer one too. */
async function needsProcessor() {
  for (const name of await caches.keys()) {
    if (!name.startsWith(PREFIX)) continue;
    const cache = await caches.open(name);
    for (const path of Object.keys(BUNDLE.processor)) if (await cache.match(address(path))) return true;
  }
  return false;
}

/** Keeps the whole bundle, or fails as a whole: a version is never mixed with another. */
async function fill() {
  if (settings?.airplane) throw new Error("the network is switched off");
  await keep((await needsProcessor()) ? ALL : BUNDLE.files);
}

/** The file of the bundle that answers a request, if one does. */
function file(request, url) {
  if (request.method !== "GET" || url.origin !== ORIGIN || !url.pathname.startsWith(SCOPE.pathname)) return;
  const path = url.pathname.slice(SCOPE.pathname.length);
  if (Object.hasOwn(ALL, path)) return path;
  if (request.mode === "navigate") return path === "bench" ? "bench.html" : "index.html";
}

async function fromBundle(path) {
  return (await caches.open(CACHE)).match(address(path));
}

self.addEventListener("install", event => event.waitUntil(network().then(fill)));

self.addEventListener("activate", event => {
  const others = async () => {
    const names = (await caches.keys()).filter(name => name.startsWith(PREFIX) && name !== CACHE);
    await Promise.all(names.map(name => caches.delete(name)));
    await clients.claim();
  };
  event.waitUntil(others());
});

// ---- The network ----

const SETTINGS = "citer-network";

/** Whether the network is off, and the origins besides our own that may be asked. Undefined until read from storage. */
let settings;

async function network() {
  if (settings === undefined) {
    const saved = await (await caches.open(SETTINGS)).match(SCOPE.href);
    settings ??= saved ? await saved.json() : { airplane: false, allowed: [] };
  }
  return settings;
}

async function setNetwork({ airplane, allowed }) {
  settings = { airplane, allowed };
  await (await caches.open(SETTINGS)).put(SCOPE.href, Response.json(settings));
}

/** Why a request may not leave the device, or nothing. */
function refusal(url, { airplane, allowed }) {
  if (airplane) return "airplane";
  if (url.origin !== ORIGIN && !allowed.includes(url.origin)) return "not-allowed";
}

async function answer(request, url, path) {
  const found = path === undefined ? undefined : await fromBundle(path);
  if (found) return found;
  const reason = refusal(url, await network());
  if (!reason) return fetch(request);
  for (const client of await clients.matchAll({ type: "window" })) {
    client.postMessage({ type: "refused", reason, url: url.origin + url.pathname });
  }
  return Response.error();
}

self.addEventListener("fetch", event => {
  const url = new URL(event.request.url);
  if (!url.protocol.startsWith("http")) return;
  const path = file(event.request, url);
  // The usual request of a token goes its way untouched.
  if (path === undefined && settings && !refusal(url, settings)) return;
  event.respondWith(answer(event.request, url, path));
});

// ---- The page's words ----

self.addEventListener("message", event => {
  const message = event.data ?? {};
  if (message.type === "activate") event.waitUntil(skipWaiting());
  if (message.type === "network") {
    event.waitUntil(setNetwork(message).then(() => event.ports[0]?.postMessage("done")));
  }
  if (message.type === "keep-processor") {
    const done = network().then(() => keep(BUNDLE.processor));
    event.waitUntil(done.then(() => event.ports[0]?.postMessage("kept"), error => event.ports[0]?.postMessage(String(error))));
  }
  if (message.type === "version") event.ports[0]?.postMessage(BUNDLE.version);
});
