// From an account to a video that plays, with the mouse and the keyboard only.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { logIn, signUp } from "../account.mjs";
import { artifacts, platform } from "../platform.mjs";
import { check } from "./pages.mjs";

const REFUSED = /status of 4(00|22)/;

describe("uploading", () => {
  test("a new account uploads a video and sees it turn into the player", async () => {
    const { url, clip, newPage } = await platform();
    const { page, close } = await newPage();
    await signUp(page, url, "grace");
    await page.getByRole("link", { name: "Upload", exact: true }).click();
    await page.getByLabel("Video", { exact: true }).setInputFiles(clip);
    assert.equal(await page.getByLabel("Title").inputValue(), "clip", "the title is suggested from the file's name");
    await page.getByLabel("Title").fill("My clip");
    await check(page, "upload-wide");
    await page.getByRole("button", { name: "Upload" }).click();

    await page.waitForURL(/\/watch\//);
    await page.locator("#stage").waitFor();
    const waiting = page.locator("[data-process]");
    if ((await waiting.count()) > 0) await check(page, "waiting-wide");
    await page.locator("#stage .player video").waitFor({ timeout: 120_000 });
    await page.getByRole("button", { name: "Play", exact: true }).first().click();
    await page.waitForFunction(() => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames > 12);
    await page.goto(url);
    await page.getByRole("link", { name: "My clip" }).waitFor();
    await close();
  });

  test("a refused file says why, with scripts and without", async () => {
    const { url, newPage } = await platform();
    const text = join(artifacts, "not-a-video.mp4");
    writeFileSync(text, "This is a text, whatever its name says.\n".repeat(100));
    for (const javaScriptEnabled of [true, false]) {
      const { page, close } = await newPage({ javaScriptEnabled, expectedErrors: [REFUSED] });
      await signUp(page, url, javaScriptEnabled ? "hedy" : "joan");
      await page.goto(`${url}/upload`);
      await page.getByLabel("Video", { exact: true }).setInputFiles(text);
      await page.getByLabel("Title").fill("No video");
      await page.getByRole("button", { name: "Upload" }).click();
      const sentence = await page.locator("#upload-errors p").textContent();
      assert.match(sentence, /\w+ \w+.*\.$/, "a sentence for people");
      assert.equal(new URL(page.url()).pathname, "/upload");
      await close();
    }
  });

  test("logging in asks again, then leads where one wanted to go; logging out ends it", async () => {
    const { url, newPage } = await platform();
    const { page, close } = await newPage({ expectedErrors: [REFUSED] });
    await page.goto(`${url}/upload`);
    await logIn(page, "ada", "wrong horse");
    await page.getByRole("alert").waitFor();
    await logIn(page, "ada", "correct horse");
    await page.waitForURL(`${url}/upload`);
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("link", { name: "Log in" }).waitFor();
    await page.goto(`${url}/upload`);
    assert.equal(new URL(page.url()).pathname, "/login");
    await close();
  });
});
