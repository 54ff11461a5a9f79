// What administrators see of the queue, and what their decisions do.

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { accessToken } from "../account.mjs";
import { account, administrator, artifacts, platform } from "../platform.mjs";
import { ended, upload } from "../publishing.mjs";
import { check } from "./pages.mjs";

const NOT_FOUND = /status of 404/;
const LOOKS = {
  wide: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  phone: { viewport: { width: 320, height: 640 }, colorScheme: "dark" },
};

describe("administering", () => {
  test("nobody but administrators finds the dashboard", async () => {
    const { url, newPage } = await platform();
    const { page, close } = await newPage({ expectedErrors: [NOT_FOUND] });
    await page.goto(`${url}/admin/jobs`);
    assert.equal(new URL(page.url()).pathname, "/login");
    await logIn(page, account);
    await page.getByRole("heading", { name: "There is nothing here" }).waitFor();
    assert.equal(await page.getByRole("link", { name: "Administration" }).count(), 0);
    await close();
  });

  test("a file that cannot be processed is among what was given up", async () => {
    const { url, clip, newPage } = await platform();
    const video = await upload(url, damaged(clip), "A damaged clip", account);
    await ended(url, video);
    const { page, close } = await newPage();
    await administer(page, url);
    const dead = page.getByRole("region", { name: "Given up" }).getByRole("listitem").filter({ hasText: "A damaged clip" });
    await dead.getByText("The file").waitFor();
    await close();
  });

  for (const [look, options] of Object.entries(LOOKS)) {
    test(`the dashboard, a job and a video are accessible and fit, ${look}`, async () => {
      const { url, video, newPage } = await platform();
      const { page, close } = await newPage(options);
      await administer(page, url);
      for (const figures of await page.getByText(/^Figures$/).all()) await figures.click();
      await check(page, `admin-jobs-${look}`);
      await page.getByRole("region", { name: "Given up" }).getByRole("link").first().click();
      await page.getByRole("heading", { name: "Why the last attempt failed" }).waitFor();
      await check(page, `admin-job-${look}`);
      await page.goto(`${url}/admin/jobs/videos/${video.id}`);
      await page.getByRole("img", { name: "Pieces over the timeline" }).waitFor();
      await check(page, `admin-video-${look}`);
      await close();
    });
  }

  test("a pause, an upload, a decision: each is seen at once, by keyboard alone", async () => {
    const { url, clip, newPage } = await platform();
    const { page, close } = await newPage({ viewport: LOOKS.wide.viewport });
    await administer(page, url);
    await press(page, page.getByRole("button", { name: "Pause pipeline" }));
    const queue = page.getByRole("region", { name: "Queues" }).getByRole("listitem").filter({ hasText: "pipeline" });
    await queue.getByText("paused").waitFor();

    // The focus stays where it is while what is around it is replaced.
    const resume = page.getByRole("button", { name: "Resume pipeline" });
    await resume.focus();
    const video = await upload(url, clip, "A clip that waits", account);
    await queue.getByText("1 inspect waiting").waitFor();
    assert.equal(await page.evaluate(() => document.activeElement?.id), "resume-pipeline");

    const watcher = await newPage();
    await watcher.page.goto(`${url}/watch/${video}`);
    await watcher.page.getByText("Processing is paused by the administrators.").waitFor();

    await page.goto(`${url}/admin/jobs/videos/${video}`);
    await page.getByText("There is no plan yet.").waitFor();
    await press(page, page.getByRole("link", { name: /^inspect \d+/ }));
    const cancel = page.getByRole("button", { name: "Cancel" });
    await cancel.click();
    assert.match(page.url(), /\/admin\/jobs\/\d+$/, "nothing is cancelled without a confirmation");
    await page.getByRole("checkbox").press("Space");
    await press(page, cancel);
    await page.getByText("cancelled").waitFor();
    await watcher.page.getByText("An administrator stopped the processing of this video.").waitFor();
    await watcher.close();

    // The one who wants it again gets it, once the queue goes on.
    const token = await accessToken(url, account);
    const again = await fetch(`${url}/api/v5/videos/${video}/retry`, { method: "POST", headers: { authorization: `Bearer ${token}` } });
    assert.equal(again.status, 202);
    await page.goto(`${url}/admin/jobs/videos/${video}`);
    const following = page.locator("#stages");
    await following.getByText("Processing is paused").waitFor();
    await fetch(`${url}/api/v5/admin/queues/pipeline/resume`, { method: "POST", headers: { authorization: `Bearer ${await accessToken(url, administrator)}` } });
    await following.getByText("ready, 100 %").waitFor({ timeout: 120_000 });
    await close();
  });

  test("the dashboard needs no scripts, and obeys no form of another site", async () => {
    const { url, newPage } = await platform();
    const { page, context, close } = await newPage({ javaScriptEnabled: false });
    await administer(page, url);
    await page.getByRole("button", { name: "Pause upkeep" }).click();
    await page.getByRole("button", { name: "Resume upkeep" }).click();
    await page.getByRole("button", { name: "Pause upkeep" }).waitFor();
    const forged = await context.request.post(`${url}/admin/queues/upkeep/pause`, { headers: { "sec-fetch-site": "cross-site" } });
    assert.equal(forged.status(), 403);
    await close();
  });
});

async function administer(page, url) {
  await page.goto(`${url}/admin/jobs`);
  await logIn(page, administrator);
  await page.getByRole("heading", { level: 1, name: "Jobs" }).waitFor();
}

async function logIn(page, { username, password }) {
  await page.getByLabel("User name or e-mail address").fill(username);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

async function press(page, control) {
  await control.focus();
  await page.keyboard.press("Enter");
}

/** The same file with noise where its media should be. */
function damaged(clip) {
  const bytes = readFileSync(clip);
  const media = bytes.indexOf("mdat") + 4;
  bytes.fill(0x5a, media, bytes.lastIndexOf("moov") - 4);
  const path = join(artifacts, "damaged.mp4");
  writeFileSync(path, bytes);
  return path;
}
