// A static server on loopback: our built pages at /, the peers' pages, packages and models under /peers/.

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import path from 'node:path';

const TYPES = {
  '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm',
  '.json': 'application/json', '.css': 'text/css', '.svg': 'image/svg+xml',
};

/** Only this page gets the headers that allow shared memory: wllama's threads need them, nothing else is to be changed by them. */
const ISOLATED = '/peers/pages/wllama.html';

/** Serves `roots` ([prefix, folder], first match counts) and resolves to { origin, close }. */
export async function serve(roots) {
  const server = createServer((request, response) => {
    answer(roots, request, response).catch(() => response.writeHead(404).end());
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}

async function answer(roots, request, response) {
  const { pathname } = new URL(request.url, 'http://loopback');
  const [prefix, folder] = roots.find(([start]) => pathname.startsWith(start));
  const file = path.join(folder, path.normalize('/' + decodeURIComponent(pathname.slice(prefix.length))));
  const { size } = await stat(file).then((found) => (found.isFile() ? found : Promise.reject(new Error('not a file'))));
  const headers = { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream', 'accept-ranges': 'bytes', 'cache-control': 'no-store' };
  if (pathname === ISOLATED) {
    headers['cross-origin-opener-policy'] = 'same-origin';
    headers['cross-origin-embedder-policy'] = 'require-corp';
  }
  const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
  const start = range ? Number(range[1]) : 0;
  const end = range?.[2] ? Math.min(Number(range[2]), size - 1) : size - 1;
  if (range) headers['content-range'] = `bytes ${start}-${end}/${size}`;
  response.writeHead(range ? 206 : 200, { ...headers, 'content-length': end - start + 1 });
  if (request.method === 'HEAD') response.end();
  else createReadStream(file, { start, end }).pipe(response);
}
