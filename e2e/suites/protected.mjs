// Encrypted folders of static files in a real browser: its own ClearKey module decrypts them, with the keys at hand.

import assert from "node:assert/strict";
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { extname, join } from "node:path";
import { describe, test } from "node:test";
import { artifacts, platform, transcode } from "../platform.mjs";
import { SHAKA, site } from "../site.mjs";
import { colours, frames, seek } from "../video.mjs";

const CLASSES = ["audio", "sd", "hd"];
const KEYS = Object.fromEntries(CLASSES.map((name, index) => [`0123456789abcdef0123456789abcd0${index}`, `00112233445566778899aabbccddee0${index}`]));
const WORDS = Object.entries(KEYS).flatMap(([id, key], index) => ["--key", `${CLASSES[index]}:${id}:${key}`]);

describe("protected", () => {
  for (const [scheme, manifests] of [
    ["cenc", ["mp4/manifest.mpd", "mov/manifest.mpd"]],
    ["cbcs", ["mp4/manifest.mpd", "mov/manifest.mpd", "master.m3u8", "mov/master.m3u8"]],
  ]) {
    test(`${scheme} is decrypted and decoded`, async () => {
      const { clip, newPage } = await platform();
      const site = await staticSite(await transcode(clip, scheme, ["--scheme", scheme, ...WORDS]));
      try {
        for (const manifest of manifests) {
          const { page, close } = await newPage({ others: [site.url] });
          await page.goto(`${site.url}/player.html#${manifest}`);
          await frames(page, 24);
          await seek(page, 9.5);
          await frames(page, 12);
          assert.equal(await page.evaluate(() => player.drmInfo().keySystem), "org.w3.clearkey");
          const path = join(artifacts, `protected-${scheme}-${manifest.replaceAll("/", "-")}.png`);
          assert.ok((await colours(page, page.locator("video"), path)) > 50);
          await close();
        }
      } finally {
        await site.close();
      }
    });
  }

  test("without the right key there is no picture", async () => {
    const { clip, newPage } = await platform();
    const site = await staticSite(await transcode(clip, "locked", ["--scheme", "cbcs", ...WORDS]));
    try {
      const { page, close } = await newPage({ others: [site.url], expectedErrors: [/./] });
      await page.goto(`${site.url}/player.html?wrong#mp4/manifest.mpd`);
      await page.waitForFunction(() => window.failure !== undefined);
      const decoded = await page.evaluate(() => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames);
      assert.equal(decoded, 0);
      await close();
    } finally {
      await site.close();
    }
  });
});

const TYPES = { ".mpd": "application/dash+xml", ".m3u8": "application/vnd.apple.mpegurl", ".mp4": "video/mp4", ".m4s": "video/mp4" };

/** A web server over a folder, with a page that plays what its address names. */
async function staticSite(folder) {
  return site(async ({ url }, response) => {
    const { pathname } = new URL(url, "http://localhost");
    if (pathname === "/player.html") return response.setHeader("content-type", "text/html").end(PAGE);
    if (pathname === "/favicon.ico") return response.writeHead(204).end();
    const file = pathname === "/shaka.js" ? SHAKA : join(folder, pathname);
    const found = await stat(file).catch(() => undefined);
    if (found === undefined) return response.writeHead(404).end();
    response.setHeader("content-type", TYPES[extname(file)] ?? "text/javascript");
    createReadStream(file).pipe(response);
  });
}

const PAGE = `<!doctype html><meta charset="utf-8"><title>Protected</title><video autoplay muted width="640"></video>
  <script src="/shaka.js"></script>
  <script>
    const video = document.querySelector("video");
    const player = new shaka.Player();
    const fail = (error) => (window.failure ??= error.code);
    const keys = ${JSON.stringify(KEYS)};
    if (location.search === "?wrong") for (const id of Object.keys(keys)) keys[id] = keys[id].replaceAll("1", "2");
    player.addEventListener("error", ({ detail }) => fail(detail));
    video.addEventListener("error", () => fail(video.error));
    player.configure({ drm: { clearKeys: keys } });
    player.attach(video).then(() => player.load(location.hash.slice(1))).catch(fail);
  </script>`;
