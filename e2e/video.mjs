// What tests ask of the video element of a page.

import assert from "node:assert/strict";
import { clipSeconds } from "./platform.mjs";

/** Resolves once this many further frames were decoded. */
export async function frames(page, count) {
  const before = await page.evaluate(() => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames);
  await page.waitForFunction(
    (wanted) => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames >= wanted,
    before + count,
  );
}

/** Resolves once the picture at this time is there. */
export function seek(page, seconds) {
  return page.evaluate(
    (seconds) =>
      new Promise((resolve) => {
        const video = document.querySelector("video");
        video.addEventListener("seeked", resolve, { once: true });
        video.currentTime = seconds;
      }),
    seconds,
  );
}

/** Plays what is left of the clip, and ends where it ends. */
export async function toTheEnd(page) {
  await page.waitForFunction(() => document.querySelector("video").ended);
  const { duration, currentTime } = await page.evaluate(() => {
    const { duration, currentTime } = document.querySelector("video");
    return { duration, currentTime };
  });
  assert.ok(Math.abs(duration - clipSeconds) < 0.05, `lasts ${duration} s`);
  assert.ok(Math.abs(currentTime - duration) < 0.1, `ended at ${currentTime} s`);
}

/** How many colours an element shows, in steps of 16. The clip has bars of every colour; scripts cannot read an encrypted
    picture, but a screenshot shows it. */
export async function colours(page, element, path) {
  const shown = await element.screenshot({ path });
  return page.evaluate(async (png) => {
    const bytes = Uint8Array.from(atob(png), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(64, 36).getContext("2d");
    context.drawImage(image, 0, 0, 64, 36);
    const pixels = new Uint32Array(context.getImageData(0, 0, 64, 36).data.buffer);
    return new Set(pixels.map((pixel) => pixel & 0xf0f0f0)).size;
  }, shown.toString("base64"));
}
