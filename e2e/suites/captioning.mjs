// Captions: looked at before they are sent, seen while the video plays, and found by a word that is said.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { accessToken, logIn } from "../account.mjs";
import { account, platform } from "../platform.mjs";
import { frames } from "../video.mjs";
import { check } from "./pages.mjs";

const REFUSED = /status of 422/;
const LOOKS = {
  wide: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "dark" },
};
const CAPTIONS = {
  wide: { tag: "en", label: "English", said: "A zebra crosses the river.", word: "zebra" },
  phone: { tag: "de", label: "Deutsch", said: "Ein Okapi steht im Wald.", word: "okapi" },
};

/** Shown from 4 to 11 s, as SubRip or WebVTT. */
const srt = (said) => `1\n00:00:04,000 --> 00:00:11,000\n${said}\n`;

describe("captions", () => {
  for (const [look, options] of Object.entries(LOOKS)) {
    const { tag, label, said, word } = CAPTIONS[look];

    test(`an owner adds captions, viewers see and find them, ${look}`, async () => {
      const { url, video, newPage } = await platform();
      const { page, close } = await newPage({ ...options, expectedErrors: [REFUSED] });
      await page.goto(`${url}/studio/${video.id}/captions`);
      await logIn(page, account.username, account.password);
      await page.getByRole("heading", { level: 1, name: "Captions" }).waitFor();
      await page.waitForFunction(() => document.querySelector("video")?.readyState >= 2);
      await check(page, `captions-${look}`);

      const file = page.getByLabel("File");
      await file.setInputFiles({ name: "talk.srt", mimeType: "application/x-subrip", buffer: Buffer.from("1\n0:00 --> x\nHello\n") });
      await page.getByLabel("Language").fill(tag);
      await page.getByRole("button", { name: "Add" }).click();
      await page.getByText("Line 2: `0:00 --> x`").waitFor();
      await check(page, `captions-refused-${look}`);

      await page.waitForFunction(() => document.querySelector("video")?.readyState >= 2);
      await file.setInputFiles({ name: `talk.${tag}.srt`, mimeType: "application/x-subrip", buffer: Buffer.from(srt(said)) });
      await page.getByText("The player shows the file that you chose.").waitFor();
      await page.evaluate(() => (document.querySelector("video").currentTime = 5));
      await page.getByText(said).first().waitFor();
      await check(page, `captions-preview-${look}`);
      await page.getByRole("button", { name: "Add" }).click();
      await page.getByText("The captions are there.").waitFor();
      await untilShown(url, video.id, tag);
      await page.reload();
      await page.getByRole("button", { name: `Remove ${label}` }).waitFor();
      await check(page, `captions-there-${look}`);

      // Each viewer comes for the first time: a browser keeps manifests for some seconds.
      for (const manifest of ["dash", "hls"]) {
        const viewer = await newPage(options);
        // Over HLS, Shaka 5.2 holds captions back until a segment comes after them; of a clip this short there would be none.
        let release;
        const released = new Promise((resolve) => (release = resolve));
        await viewer.page.route("**/5.m4s", async (route) => {
          await released;
          await route.continue();
        });
        const captions = viewer.page.waitForResponse((response) => /\/(?!storyboard)[^/]+\.vtt$/.test(response.url()));
        await viewer.page.goto(`${url}/watch/${video.id}?manifest=${manifest}&t=5`);
        await viewer.page.waitForFunction(() => document.querySelector("video")?.readyState >= 2);
        await show(viewer.page, tag);
        await (await captions).finished();
        release();
        await viewer.page.getByText(said).first().waitFor();
        await viewer.page.getByRole("button", { name: "Play", exact: true }).first().click();
        await frames(viewer.page, 12);
        if (manifest === "dash") await check(viewer.page, `captions-watched-${look}`);
        await viewer.close();
      }

      await page.goto(`${url}/search?q=${word}&captions=yes`);
      await page.getByRole("heading", { level: 1, name: word }).waitFor();
      await check(page, `search-said-${look}`);
      await page.getByRole("link", { name: said }).click();
      await page.waitForURL(`${url}/watch/${video.id}?t=4`);
      await page.waitForFunction(() => Math.abs(document.querySelector("video").currentTime - 4) < 0.5);
      await close();
    });
  }

  test("captions are added and removed without scripts", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage({ javaScriptEnabled: false });
    await page.goto(`${url}/studio/${video.id}/captions`);
    await logIn(page, account.username, account.password);
    await page.getByLabel("File").setInputFiles({ name: "a.vtt", mimeType: "text/vtt", buffer: Buffer.from(`WEBVTT\n\n${srt("Salut.").slice(2)}`) });
    await page.getByLabel("Language").fill("fr");
    await page.getByRole("button", { name: "Add" }).click();
    await page.getByText("The captions are there.").waitFor();
    await page.getByRole("button", { name: "Remove Français" }).click();
    await page.getByText("The captions are gone.").waitFor();
    assert.equal(await page.getByRole("button", { name: "Remove Français" }).count(), 0);
    await close();
  });
});

/** Shows the captions of this language, as the menu of the player does. */
async function show(page, tag) {
  await page.waitForFunction((tag) => {
    const player = document.querySelector("video").ui?.getControls().getPlayer();
    const track = player?.getTextTracks().find((track) => track.language === tag);
    if (track === undefined || !player.isFullyLoaded()) return false;
    player.selectTextTrack(track);
    return true;
  }, tag);
}

/** Resolves when manifests name the captions. */
async function untilShown(url, id, tag) {
  const headers = { authorization: `Bearer ${await accessToken(url, account)}` };
  for (;;) {
    const tracks = await (await fetch(`${url}/api/v5/videos/${id}/captions`, { headers })).json();
    if (tracks.some(({ language, shown }) => language === tag && shown)) return;
  }
}
