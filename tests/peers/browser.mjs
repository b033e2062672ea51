// One Chromium per measurement, with a profile of its own: nothing of one engine is left for the next.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { chromium } from 'playwright-core';
import * as gpuCalls from './gpu_calls.mjs';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update',
  '--disable-sync', '--enable-unsafe-webgpu',
];

const GRACE_MS = 10_000;

export function flags({ adapter, flags }) {
  return [...FLAGS, ...(adapter ? [`--use-webgpu-adapter=${adapter}`] : []), ...flags];
}

/** Opens `url`, waits for its result and resolves to { result, adapter, browser } or rejects with the page's error. */
export async function visit(url, options) {
  const profile = await mkdtemp(path.join(tmpdir(), 'citer-peers-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: options.chrome, headless: true, args: flags(options), timeout: 60_000,
    handleSIGINT: false, handleSIGTERM: false,
  });
  try {
    const page = await context.newPage();
    if (options.verbose) page.on('console', (message) => console.error(`  [${message.type()}] ${message.text()}`));
    page.on('worker', (worker) => worker.evaluate(gpuCalls.install).catch(() => {}));
    await page.addInitScript(gpuCalls.install);
    await page.exposeFunction('gpuCalls', () => gpuCalls.read(page));
    const failed = new Promise((_, reject) => {
      page.on('crash', () => reject(new Error('the page crashed')));
      // The page may still finish: a worker's error need not be the end of what is measured.
      page.on('pageerror', (error) => setTimeout(() => reject(error), GRACE_MS));
    });
    await page.goto(url);
    const adapter = await page.evaluate(describeAdapter);
    const finished = page.waitForFunction(
      () => document.documentElement.dataset.bench ?? document.documentElement.dataset.benchError,
      undefined, { timeout: options.timeout * 1000, polling: 250 });
    failed.catch(() => {});
    await Promise.race([finished, failed]).catch(async (error) => {
      const shown = await page.innerText('body', { timeout: 1000 }).catch(() => '');
      throw new Error([error.message.split('\n')[0], shown.trim()].filter(Boolean).join('; the page shows: '));
    });
    const { bench, benchError } = await page.evaluate(() => ({ ...document.documentElement.dataset }));
    if (benchError) throw new Error(benchError);
    return { result: JSON.parse(bench), adapter, browser: context.browser().version() };
  } finally {
    await context.close().catch(() => {});
    await rm(profile, { recursive: true, force: true, maxRetries: 3 }).catch(() => {});
  }
}

async function describeAdapter() {
  const adapter = await navigator.gpu?.requestAdapter();
  if (!adapter) return null;
  const { vendor, architecture, device, description } = adapter.info;
  return { vendor, architecture, device, description, features: [...adapter.features].sort() };
}
