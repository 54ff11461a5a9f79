// Every page: accessible, at home on a phone, light and dark, and silent towards other hosts.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { describe, test } from "node:test";
import { artifacts, platform } from "../platform.mjs";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const NOT_FOUND = /status of 404/;
const PAGES = {
  home: { path: () => "/" },
  watch: { path: (video) => `/watch/${video.id}`, ready: ".shaka-play-button-container, .shaka-controls-button-panel" },
  embed: { path: (video) => `/embed/${video.id}`, ready: ".shaka-controls-button-panel" },
  login: { path: () => "/login" },
  signup: { path: () => "/signup" },
  forgot: { path: () => "/forgot" },
  verify: { path: () => "/verify" },
  missing: { path: () => "/watch/nothing", expectedErrors: [NOT_FOUND] },
};
const LOOKS = {
  wide: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  phone: { viewport: { width: 320, height: 640 }, colorScheme: "dark" },
};

describe("pages", () => {
  for (const [name, { path, ready, expectedErrors }] of Object.entries(PAGES)) {
    for (const [look, options] of Object.entries(LOOKS)) {
      test(`${name} is accessible and fits, ${look}`, async () => {
        const { url, video, newPage } = await platform();
        const { page, close } = await newPage({ ...options, expectedErrors });
        await page.goto(url + path(video));
        if (ready !== undefined) await page.locator(ready).first().waitFor({ state: "attached" });
        await check(page, `${name}-${look}`);
        await close();
      });
    }
  }

  test("the description of the API can be read and tried", async () => {
    const { url, newPage } = await platform();
    const { page, close } = await newPage({ viewport: { width: 1280, height: 1000 } });
    await page.goto(`${url}/doc/`);
    const search = page.locator(".opblock", { has: page.locator('[data-path="/api/v5/search"]') });
    await search.locator(".opblock-summary").click();
    await search.getByRole("button", { name: "Try it out" }).click();
    await search.getByRole("button", { name: "Execute" }).click();
    await search.locator(".responses-table.live-responses-table").getByText("200", { exact: true }).waitFor();
    await search.screenshot({ path: join(artifacts, "doc-search.png") });
    const login = page.locator(".opblock", { has: page.locator('[data-path="/api/v3/auth/login/"]') });
    await login.locator(".opblock-summary").click();
    await login.getByText('"credential": "ada"').first().waitFor();
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: join(artifacts, "doc.png") });
    await login.screenshot({ path: join(artifacts, "doc-login.png") });
    await close();
  });

  test("a page without scripts still leads to the video", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage({ javaScriptEnabled: false });
    await page.goto(`${url}/watch/${video.id}`);
    const link = page.getByRole("link", { name: "the video as an HLS stream" });
    const answer = await page.request.get(new URL(await link.getAttribute("href"), url).href);
    assert.match(await answer.text(), /^#EXTM3U/);
    await close();
  });

  test("markup in a title stays text", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage();
    await page.goto(`${url}/watch/${video.id}`);
    assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "A clip with <markup> & more");
    await close();
  });
});

/** Nothing that axe finds, nothing wider than the window; leaves a picture behind for people. */
export async function check(page, name) {
  await page.screenshot({ path: join(artifacts, `${name}.png`), fullPage: true });
  assert.deepEqual(await violations(page), []);
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0, "the page is wider than its window");
}

/** Through the debugger: the pages' own policy lets no foreign script in. */
async function violations(page) {
  const debug = await page.context().newCDPSession(page);
  await debug.send("Runtime.evaluate", { expression: axe });
  const expression = "axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes.map((n) => n.html).join(' ')}`))";
  const { result, exceptionDetails } = await debug.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
  assert.equal(exceptionDetails, undefined);
  return result.value;
}
