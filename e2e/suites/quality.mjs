// The player tells how well it played when its page is left, and an administrator sees it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { accessToken, logIn } from "../account.mjs";
import { administrator, platform } from "../platform.mjs";
import { frames } from "../video.mjs";
import { check } from "./pages.mjs";

describe("quality", () => {
  for (const where of ["watch", "embed"]) {
    test(`a playback on the ${where} page is told when that page is left`, { timeout: 60_000 }, async () => {
      const { url, video, newPage } = await platform();
      const before = await told(url, video.id);
      const { page, close } = await newPage();
      await page.goto(`${url}/${where}/${video.id}`);
      await page.getByRole("button", { name: "Play", exact: true }).first().click();
      await frames(page, 24);
      await page.goto(`${url}/login`);
      // The browser sends it when the page is gone, and tells nobody of the answer.
      let after = before;
      while (after.started === before.started) after = await told(url, video.id);
      assert.equal(after.started, before.started + 1);
      assert.equal(after.failed, before.failed);
      const more = after.played_seconds - before.played_seconds;
      assert.ok(more > 0.5 && more < 60, `played for ${more} s`);
      assert.ok(after.startup_seconds.p50 > 0 && after.startup_seconds.p50 < 30);
      await close();
    });
  }

  test("the page of figures is accessible and fits", async () => {
    const { url, newPage } = await platform();
    const { page, close } = await newPage({ viewport: { width: 320, height: 640 }, colorScheme: "dark" });
    await page.goto(`${url}/admin/jobs`);
    await logIn(page, administrator.username, administrator.password);
    await page.goto(`${url}/admin/quality`);
    await page.getByRole("heading", { name: "By rung" }).waitFor();
    for (const figures of await page.getByText(/^Figures$/).all()) await figures.click();
    await check(page, "admin-quality");
    await close();
  });
});

/** What is known of the playbacks of a video until now. */
async function told(url, id) {
  const headers = { authorization: `Bearer ${await accessToken(url, administrator)}` };
  const answer = await fetch(`${url}/api/v5/admin/quality?days=2&video=${id}`, { headers });
  const { videos } = await answer.json();
  return videos[0] ?? { started: 0, failed: 0, played_seconds: 0 };
}
