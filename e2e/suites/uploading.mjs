// From an account to a video that plays, with the mouse and the keyboard only.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import tus from "../../web/node_modules/tus-js-client/lib.es5/node/index.js";
import { accessToken, logIn, signUp } from "../account.mjs";
import { artifacts, platform, serve } from "../platform.mjs";
import { check } from "./pages.mjs";

const REFUSED = /status of 4(00|22)/;

describe("uploading", () => {
  test("a new account uploads a video and sees it turn into the player", async () => {
    const { url, clip, newPage } = await platform();
    const { page, close } = await newPage();
    await signUp(page, url, "grace");
    await page.getByRole("link", { name: "Upload", exact: true }).click();
    // Resolves when the page's scripts have run: before that the form is one without them.
    await page.waitForURL(`${url}/upload`);
    await page.getByLabel("Video", { exact: true }).setInputFiles(clip);
    assert.equal(await page.getByLabel("Title").inputValue(), "clip", "the title is suggested from the file's name");
    await page.getByLabel("Title").fill("My clip");
    await check(page, "upload-wide");
    await page.getByRole("button", { name: "Upload" }).click();

    await page.getByRole("link", { name: "Watch it" }).click();
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
      const sentence = await page.locator(javaScriptEnabled ? ".upload-item .error" : "#upload-errors p").textContent();
      assert.match(sentence, /\w+ \w+.*\.$/, "a sentence for people");
      assert.equal(new URL(page.url()).pathname, "/upload");
      await close();
    }
  });

  test("files that are dropped are listed, each with its own details", async () => {
    const { url, newPage } = await platform();
    const { page, close } = await newPage();
    await signUp(page, url, "annie");
    await page.goto(`${url}/upload`);
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      for (const name of ["one_day.mp4", "two.mov", "three.txt"]) dataTransfer.items.add(new File(["x"], name));
      document.querySelector("#upload").dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    });
    assert.match(await page.locator("#upload-errors p").textContent(), /^three\.txt: Only/);
    const titles = page.getByLabel("Title");
    assert.deepEqual([await titles.count(), await titles.first().inputValue()], [2, "one day"]);
    await check(page, "upload-several");
    await page.setViewportSize({ width: 320, height: 640 });
    await check(page, "upload-several-phone");
    for (const left of [1, 0]) {
      await page.getByRole("button", { name: "Remove" }).first().click();
      assert.equal(await titles.count(), left);
    }
    assert.ok(await page.getByRole("button", { name: "Upload" }).isDisabled());
    await close();
  });

  test("an upload goes on after a pause, a killed server and a reload", async () => {
    const { clip, newPage } = await platform();
    let server = await serve("killed");
    const { page, close } = await newPage({ others: [server.url], expectedErrors: [/Failed to load resource/] });
    try {
      const file = join(artifacts, "long.mp4");
      writeFileSync(file, padded(readFileSync(clip), 40 << 20));
      await signUp(page, server.url, "radia");
      await page.goto(`${server.url}/upload`);
      const begun = [];
      page.on("request", (request) => {
        if (request.method() === "POST" && request.url().endsWith("/api/v5/uploads")) begun.push(request);
      });
      const network = await page.context().newCDPSession(page);
      const slowly = (uploadThroughput) =>
        network.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput });
      const percent = () => page.evaluate(() => document.querySelector(".upload-item progress").value);
      const reached = (wanted) =>
        page.waitForFunction((wanted) => document.querySelector(".upload-item progress").value >= wanted, wanted, { timeout: 60_000 });
      await network.send("Network.enable");
      await slowly(6 << 20);
      await page.getByLabel("Video", { exact: true }).setInputFiles(file);
      await page.getByRole("button", { name: "Upload" }).click();
      await reached(5);
      await page.getByRole("button", { name: "Pause" }).click();
      await page.getByText(/^Paused at/).first().waitFor();
      await page.getByRole("button", { name: "Go on" }).click();

      await reached(25);
      await server.kill();
      server = await serve("killed", new URL(server.url).host);
      await page.getByLabel("Title").fill("Typed while it travels");
      await reached(45);
      await page.reload();
      await page.getByText(/^Not finished: long\.mp4/).waitFor();
      await page.getByLabel("Video", { exact: true }).setInputFiles(file);
      await page.getByLabel("Title").fill("Chosen again");
      await page.getByRole("button", { name: "Upload" }).click();
      await reached(35);
      assert.ok((await percent()) >= 35);
      await slowly(-1);
      await page.getByLabel("Title").fill("Typed at last");
      await page.getByLabel("Title").press("Tab");
      await page.getByText("It plays.", { exact: true }).waitFor({ timeout: 120_000 });
      await check(page, "uploaded-wide");
      assert.equal(begun.length, 1, "it is one upload");

      await page.getByRole("link", { name: "Watch it" }).click();
      await page.getByRole("heading", { name: "Typed at last" }).waitFor();
      const video = await (await page.request.get(`${server.url}/api/v5/videos/${page.url().split("/").pop()}`)).json();
      const original = video.downloadable.find(({ url }) => /original/.test(url));
      const stored = await (await page.request.get(original.url)).body();
      const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");
      assert.equal(hash(stored), hash(readFileSync(file)));
      await close();
    } finally {
      await server.stop();
    }
  });

  test("three parts that travel at once are one file again, also through a killed server", async () => {
    const { clip, newPage } = await platform();
    let server = await serve("parts");
    const { page, close } = await newPage({ others: [server.url] });
    try {
      await signUp(page, server.url, "lise");
      await close();
      const file = padded(readFileSync(clip), 24 << 20);
      const authorization = `Bearer ${await accessToken(server.url, { username: "lise", password: "correct horse" })}`;
      const host = new URL(server.url).host;
      let restarted;
      const video = await new Promise((resolve, reject) => {
        const upload = new tus.Upload(file, {
          endpoint: `${server.url}/api/v5/uploads`,
          headers: { authorization },
          metadata: { filename: "parts.mp4", title: "In three parts" },
          chunkSize: 1 << 20,
          parallelUploads: 3,
          retryDelays: [0, 200, 500, 1000, 2000, 4000, 8000],
          onProgress: (sent) => {
            if (sent > file.length / 2) restarted ??= server.kill().then(async () => (server = await serve("parts", host)));
          },
          onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader("CuteTube-Video")),
          onError: reject,
        });
        upload.start();
      });
      await restarted;
      assert.ok(restarted !== undefined, "the server was killed");
      const stored = async () => {
        const answer = await fetch(`${server.url}/api/v5/videos/${video}`, { headers: { authorization } });
        const { downloadable } = await answer.json();
        return downloadable.find(({ url }) => /original/.test(url));
      };
      let original;
      while (original === undefined) original = await stored();
      const bytes = Buffer.from(await (await fetch(original.url, { headers: { authorization } })).arrayBuffer());
      assert.ok(bytes.equals(file));
    } finally {
      await server.stop();
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

/** The same video with a box of nothing behind it, so many bytes long. */
function padded(file, length) {
  const box = Buffer.alloc(length - file.length, 7);
  box.writeUInt32BE(box.length);
  box.write("free", 4);
  return Buffer.concat([file, box]);
}
