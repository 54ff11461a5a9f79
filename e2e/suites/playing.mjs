// Real decoding in a real browser: our player over DASH and HLS, and two players of others on a page elsewhere.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { artifacts, platform } from "../platform.mjs";
import { DASHJS, HLSJS, playerSite } from "../site.mjs";
import { frames, seek, toTheEnd } from "../video.mjs";

describe("playing", () => {
  for (const manifest of ["dash", "hls"]) {
    test(`our player plays, seeks and changes rung over ${manifest}`, async () => {
      const { url, video, newPage } = await platform();
      const { page, close } = await newPage();
      await page.goto(`${url}/watch/${video.id}?manifest=${manifest}`);
      await page.getByRole("button", { name: "Play", exact: true }).first().click();
      await frames(page, 24);
      await page.screenshot({ path: join(artifacts, `playing-${manifest}.png`) });

      for (const height of [360, 480]) {
        await page.evaluate((height) => {
          const player = document.querySelector("video").ui.getControls().getPlayer();
          player.configure("abr.enabled", false);
          player.selectVariantTrack(player.getVariantTracks().find((track) => track.height === height), true);
        }, height);
        await page.waitForFunction((height) => document.querySelector("video").videoHeight === height, height);
        await frames(page, 12);
      }
      await seek(page, 9.5);
      await frames(page, 12);
      await toTheEnd(page);
      await close();
    });
  }

  test("a click that comes while the manifest is on its way is not lost", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage();
    let deliver;
    const clicked = new Promise((resolve) => (deliver = resolve));
    await page.route("**/manifest.mpd", async (route) => {
      await clicked;
      await route.continue();
    });
    await page.goto(`${url}/watch/${video.id}`);
    await page.getByRole("button", { name: "Play", exact: true }).first().click();
    deliver();
    await frames(page, 24);
    await close();
  });

  test("the embedded player plays", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage({ viewport: { width: 640, height: 360 } });
    await page.goto(`${url}/embed/${video.id}`);
    await page.getByRole("button", { name: "Play", exact: true }).first().click();
    await frames(page, 24);
    await close();
  });

  for (const other of ["dashjs", "hlsjs"]) {
    test(`${other} plays from another site`, async () => {
      const { url, video, newPage } = await platform();
      const site = await foreignSite(video.playback);
      try {
        const { page, close } = await newPage({ others: [site.url] });
        await page.goto(`${site.url}/${other}.html`);
        assert.notEqual(new URL(page.url()).origin, url);
        await frames(page, 24);
        await seek(page, 9.5);
        await frames(page, 12);
        await toTheEnd(page);
        await close();
      } finally {
        await site.close();
      }
    });
  }
});

/** A site of somebody else: one page for each player, and the players. */
function foreignSite({ dash, hls }) {
  const [manifest, playlist] = [dash, hls].map((address) => JSON.stringify(address));
  return playerSite({
    dashjs: { library: DASHJS, start: `dashjs.MediaPlayer().create().initialize(video, ${manifest}, true);` },
    hlsjs: { library: HLSJS, start: `const hls = new Hls(); hls.loadSource(${playlist}); hls.attachMedia(video);` },
  });
}
