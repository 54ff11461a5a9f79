// The first two generations of delivery in players of today: the file itself, and the flat folder of segments.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { clipRate, clipSeconds, platform } from "../platform.mjs";
import { DASHJS, SHAKA, playerSite } from "../site.mjs";
import { frames, seek, toTheEnd } from "../video.mjs";

const run = promisify(execFile);
const v1 = ({ url, video }) => `${url}/app/stream/${video.id}/`;
const v2 = ({ url, video }) => `${url}/app/v2/dash/${video.id}/manifest.mpd`;

describe("delivery", () => {
  test("v1: a video element plays the file, seeks in it and ends with it", async () => {
    const site = await foreignSite(await platform());
    try {
      const { page, close } = await openPlayer(site, "file");
      const answers = [];
      page.on("response", (answer) => answers.push(answer.status()));
      await frames(page, clipRate);
      await seek(page, 9.5);
      await frames(page, clipRate / 2);
      await seek(page, 1);
      await toTheEnd(page);
      assert.ok(answers.every((status) => status === 206), `${answers}`);
      await close();
    } finally {
      await site.close();
    }
  });

  for (const player of ["dashjs", "shaka"]) {
    test(`v2: ${player} plays the flat folder, seeks in it and ends with it`, async () => {
      const site = await foreignSite(await platform());
      try {
        const { page, close } = await openPlayer(site, player);
        const asked = [];
        page.on("request", (request) => asked.push(request.url()));
        await frames(page, clipRate);
        await seek(page, 9.5);
        await frames(page, clipRate / 2);
        await toTheEnd(page);
        const media = asked.filter((address) => /\.m4s$/.test(address));
        assert.ok(media.length > 2 && media.every((address) => address.includes("/app/v2/dash/")), asked.join("\n"));
        await close();
      } finally {
        await site.close();
      }
    });
  }

  test("ffmpeg reads both to the end", async () => {
    const { video, url } = await platform();
    const frames = clipRate * clipSeconds;
    // One stream at a time: with several, ffmpeg ends a manifest where the first of them does.
    for (const [address, streams] of [
      [v1({ url, video }), ["0:v:0", "0:a:0"]],
      [v2({ url, video }), ["0:v:0", "0:v:1", "0:a:0"]],
    ]) {
      for (const stream of streams) {
        const words = ["-v", "warning", "-i", address, "-map", stream, "-f", "framecrc", "-"];
        const { stdout, stderr } = await run("ffmpeg", words, { maxBuffer: 1 << 26 });
        assert.equal(stderr, "", `${address}, ${stream}`);
        const count = stdout.split("\n").filter((line) => /^\d/.test(line)).length;
        // The sound is of frames of 1024 samples, and the first may be what the encoder began with.
        const expected = stream === "0:a:0" ? Math.floor((clipSeconds * 44_100) / 1024) : frames;
        const missing = expected - count;
        assert.ok(stream === "0:a:0" ? Math.abs(missing) <= 1 : missing === 0, `${address}, ${stream}: ${count} frames`);
      }
    }
  });
});

async function openPlayer(site, name) {
  const { newPage } = await platform();
  const opened = await newPage({ others: [site.url] });
  await opened.page.goto(`${site.url}/${name}.html`);
  return opened;
}

/** A site of somebody else, with one page for each player. */
function foreignSite({ url, video }) {
  const [file, manifest] = [v1({ url, video }), v2({ url, video })].map((address) => JSON.stringify(address));
  return playerSite({
    file: { start: `video.src = ${file};` },
    dashjs: { library: DASHJS, start: `dashjs.MediaPlayer().create().initialize(video, ${manifest}, true);` },
    shaka: { library: SHAKA, start: `const player = new shaka.Player(); player.attach(video).then(() => player.load(${manifest}));` },
  });
}
