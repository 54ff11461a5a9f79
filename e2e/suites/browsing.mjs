// Finding something to watch, and looking after what is one's own: search, channels, the studio.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { accessToken, logIn } from "../account.mjs";
import { account, administrator, artifacts, platform } from "../platform.mjs";
import { check } from "./pages.mjs";

const REFUSED = /status of 422/;
const LOOKS = {
  wide: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "dark" },
};

describe("browsing", () => {
  for (const [look, options] of Object.entries(LOOKS)) {
    test(`somebody finds a video and its channel, ${look}`, async () => {
      const { url, newPage } = await platform();
      const { page, close } = await newPage(options);
      await page.goto(url);
      await page.getByRole("search").getByLabel("Search videos").fill("clip mark");
      await page.keyboard.press("Enter");
      await page.getByRole("heading", { level: 1, name: "clip mark" }).waitFor();
      await page.getByRole("link", { name: "A clip with <markup> & more" }).waitFor();
      await check(page, `search-${look}`);
      await page.getByLabel("Length").selectOption("long");
      await page.getByRole("button", { name: "Apply" }).click();
      await page.getByText("No video is like that.").waitFor();
      await check(page, `search-nothing-${look}`);
      await page.getByRole("link", { name: "without the filters" }).click();
      await page.getByRole("link", { name: account.username, exact: true }).click();
      await page.waitForURL(`${url}/u/${account.username}`);
      await page.getByRole("heading", { level: 1, name: account.username }).waitFor();
      await check(page, `channel-${look}`);
      await page.getByRole("link", { name: "A clip with <markup> & more" }).click();
      await page.waitForURL(/\/watch\//);
      await close();
    });

    test(`a page is watched, counted and passed on, ${look}`, async () => {
      const { url, video, newPage } = await platform();
      await enrich(url, video.id);
      const { page, close } = await newPage(options);
      await page.goto(`${url}/watch/${video.id}?t=6`);
      await page.getByRole("button", { name: "Play", exact: true }).first().waitFor();
      await page.waitForFunction(() => Math.abs(document.querySelector("video").currentTime - 6) < 0.5);
      await page.getByText("Download", { exact: true }).click();
      const file = page.getByRole("link", { name: /^480p, MP4, / });
      const answer = await page.request.head(new URL(await file.getAttribute("href"), url).href);
      assert.equal(answer.status(), 200);
      await page.getByText("Share", { exact: true }).click();
      await page.getByRole("button", { name: "Copy link at this time" }).click();
      assert.equal(await page.getByLabel("Link", { exact: true }).inputValue(), `${url}/watch/${video.id}?t=6`);
      assert.match(await page.getByLabel("For a page of yours").inputValue(), /^<iframe src="[^"]*\/embed\//);
      await check(page, `watch-open-${look}`);

      const counted = page.waitForResponse((response) => response.url().endsWith("/views"));
      await page.getByRole("link", { name: "0:03 Middle" }).click();
      await page.waitForFunction(() => !document.querySelector("video").paused && document.querySelector("video").currentTime < 6);
      assert.equal((await counted).status(), 204);
      await page.reload();
      await page.getByText(/\d views?/).first().waitFor();
      await page.goto(url);
      await page.getByRole("heading", { name: "Most watched of the last 30 days" }).waitFor();
      await check(page, `home-watched-${look}`);
      await close();
    });

    test(`an owner edits, hides and deletes, ${look}`, async () => {
      const { url, newPage } = await platform();
      const title = `Scrap ${look}`;
      await upload(url, title);
      // Everything works without scripts.
      const { page, close } = await newPage({ ...options, javaScriptEnabled: look === "wide", expectedErrors: [REFUSED] });
      await page.goto(`${url}/studio`);
      await logIn(page, administrator.username, administrator.password);
      await page.waitForURL(`${url}/studio`);
      if (look === "wide") await page.locator(".tag", { hasText: "Failed" }).first().waitFor();
      await shown(page, `studio-${look}`, look);
      await page.getByLabel(`Choose ${title}`).check();
      await page.getByRole("button", { name: "Make private" }).click();
      await page.getByText("1 video is private now").waitFor();
      await page.getByRole("button", { name: "Make public" }).click();
      await page.getByRole("alert").getByText("Tick the videos first").waitFor();

      await page.getByRole("link", { name: title }).click();
      await shown(page, `studio-video-${look}`, look);
      await page.getByLabel("Title").fill("Renamed");
      await page.getByLabel("Tags").fill(Array.from({ length: 21 }, (_, n) => `tag${n}`).join(","));
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("no more than 20 tags").waitFor();
      assert.equal(await page.getByLabel("Title").inputValue(), "Renamed", "what was typed is still there");
      await shown(page, `studio-refused-${look}`, look);
      await page.getByLabel("Tags").fill("scrap, paper");
      await page.getByLabel("Who may see it").selectOption("unlisted");
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByText("Your changes are saved.").waitFor();
      assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Renamed");

      await page.getByRole("link", { name: "Delete this video…" }).click();
      await page.getByRole("heading", { name: "Delete this video?" }).waitFor();
      await shown(page, `studio-delete-${look}`, look);
      await page.getByRole("button", { name: "Delete for good" }).click();
      await page.getByText("1 video is deleted.").waitFor();
      await close();
    });
  }
});

/** Looked at by axe where scripts run, and by people in any case. */
async function shown(page, name, look) {
  if (look === "wide") await check(page, name);
  else await page.screenshot({ path: join(artifacts, `${name}.png`), fullPage: true });
}

/** Gives the video chapters, tags, and files to take home. */
async function enrich(url, id) {
  const authorization = `Bearer ${await accessToken(url, account)}`;
  const change = { description: "A clip.\n0:00 Beginning\n0:03 Middle", tags: ["bars", "tone"], downloads: "renditions" };
  const headers = { authorization, "content-type": "application/json" };
  const answer = await fetch(`${url}/api/v5/videos/${id}`, { method: "PATCH", headers, body: JSON.stringify(change) });
  assert.equal(answer.status, 200, await answer.text());
}

/** Uploads something of the administrator's that looks like a video and is none: it fails soon. */
async function upload(url, title) {
  const token = await accessToken(url, administrator);
  const body = new FormData();
  body.append("title", title);
  const matroska = [0x1a, 0x45, 0xdf, 0xa3, ...Buffer.from("and nothing that belongs into one")];
  body.append("video", new Blob([Uint8Array.from(matroska)]), "scrap.mp4");
  const answer = await fetch(`${url}/api/v5/videos`, { method: "POST", headers: { authorization: `Bearer ${token}` }, body });
  assert.equal(answer.status, 201, await answer.text());
}
