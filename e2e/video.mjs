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
