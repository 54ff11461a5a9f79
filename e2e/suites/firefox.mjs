// Another browser, with an engine of its own, plays the same video.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { firefox } from "../firefox.mjs";
import { artifacts, clipSeconds, platform } from "../platform.mjs";

describe("Firefox", () => {
  test("the watch page plays", async () => {
    const { url, video } = await platform();
    const { open, click, evaluate, until, screenshot, close } = await firefox(url);
    try {
      await open(`/watch/${video.id}`);
      await click("button", "Play");
      await until(() => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames > 24, "decoded frames");
      const playing = await evaluate(() => {
        const { duration, paused, videoWidth, error } = document.querySelector("video");
        return { duration, paused, videoWidth, error: error?.message ?? null };
      });
      writeFileSync(join(artifacts, "firefox-watch.png"), await screenshot());
      assert.ok(Math.abs(playing.duration - clipSeconds) < 0.05, `lasts ${playing.duration} s`);
      assert.ok(playing.videoWidth > 0);
      assert.deepEqual([playing.paused, playing.error], [false, null]);
    } finally {
      await close();
    }
  });
});
