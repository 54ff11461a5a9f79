// Protected videos on the platform itself: uploaded with the original's API, played by our page and by a player that is
// told nothing but an address, and refused with a sentence and an entry in the log.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { describe, test } from "node:test";
import { accessToken, signUp } from "../account.mjs";
import { account, administrator, artifacts, platform } from "../platform.mjs";
import { DASHJS, playerSite } from "../site.mjs";
import { colours, frames, seek } from "../video.mjs";

const published = new Map();

describe("licences", () => {
  for (const [scheme, manifests] of [["cenc", ["dash"]], ["cbcs", ["dash", "hls"]]]) {
    for (const manifest of manifests) {
      test(`our player plays ${scheme} over ${manifest}`, async () => {
        const { url, newPage } = await platform();
        const video = await protectedVideo(scheme);
        const { page, close } = await newPage();
        await page.goto(`${url}/watch/${video.id}?manifest=${manifest}`);
        await play(page);
        await frames(page, 24);
        await seek(page, 9.5);
        await frames(page, 12);
        const keySystem = await page.evaluate(() => document.querySelector("video").ui.getControls().getPlayer().drmInfo().keySystem);
        assert.equal(keySystem, "org.w3.clearkey");
        await page.screenshot({ path: join(artifacts, `licences-${scheme}-${manifest}.png`) });
        assert.ok((await colours(page, page.locator("video"))) > 50);
        assert.equal((await lastEntry(video.id)).granted, true);
        await close();
      });
    }

    test(`dash.js plays ${scheme} and is told nothing but where it is`, async () => {
      const { newPage } = await platform();
      const video = await protectedVideo(scheme);
      const start = `dashjs.MediaPlayer().create().initialize(video, ${JSON.stringify(video.playback.dash)}, true);`;
      const elsewhere = await playerSite({ dashjs: { library: DASHJS, start } });
      try {
        const { page, close } = await newPage({ others: [elsewhere.url] });
        await page.goto(`${elsewhere.url}/dashjs.html`);
        await frames(page, 24);
        await seek(page, 9.5);
        await frames(page, 12);
        assert.ok((await colours(page, page.locator("video"))) > 50);
        await close();
      } finally {
        await elsewhere.close();
      }
    });
  }

  test("a player without a token, or with that of another video, is refused", async () => {
    const { url } = await platform();
    const [video, other] = [await protectedVideo("cbcs"), await protectedVideo("cenc")];
    for (const [token, sentence, refusal] of [
      ["nonsense", /no playback token, or one that is not ours/, "no-token"],
      [other.token, /not for this video/, "other-video"],
    ]) {
      const html = (page) => page.replaceAll(/&#34;token&#34;:&#34;[^&]+/g, `&#34;token&#34;:&#34;${token}`);
      await refused(`${url}/watch/${video.id}`, { html }, sentence);
      assert.equal((await lastEntry()).refusal, refusal);
    }
  });

  test("a key that is none of the video's shows nothing", async () => {
    const { url } = await platform();
    const video = await protectedVideo("cbcs");
    const licence = (body) => ({ ...body, keys: body.keys.map((key) => ({ ...key, k: "AAAAAAAAAAAAAAAAAAAAAA" })) });
    await refused(`${url}/watch/${video.id}`, { licence }, /could not play/);
  });

  test("who is not signed in, not on the list, or plays enough already is told so", async () => {
    const { url, newPage } = await platform();
    const video = await protectedVideo("cbcs");
    const address = `${url}/watch/${video.id}`;
    const policy = (rules) => send(`/api/v5/videos/${video.id}/licence-policy`, "PUT", rules);
    try {
      await policy({ audience: "entitled", max_streams: 1 });
      await refused(address, {}, /Log in to watch/);
      assert.equal((await lastEntry(video.id)).refusal, "not-signed-in");

      const { page, context, close } = await newPage({ expectedErrors: [/403/, /404/] });
      await signUp(page, url, "mary");
      await refused(address, { page }, /not on the list/);
      assert.equal((await lastEntry(video.id)).refusal, "not-entitled");

      await send(`/api/v5/videos/${video.id}/entitlements/mary`, "PUT");
      await page.goto(address);
      await play(page);
      await frames(page, 24);
      const second = await context.newPage();
      await refused(address, { page: second }, /as many videos as it may at once/);
      assert.equal((await lastEntry(video.id)).refusal, "too-many-streams");
      await second.screenshot({ path: join(artifacts, "licences-refused.png") });
      await close();
    } finally {
      await policy({});
    }
  });
});

/** A clip that is uploaded with this protection, once; answers what `/api/v5` says of it. */
async function protectedVideo(scheme) {
  const { url, clip } = await platform();
  if (!published.has(scheme)) published.set(scheme, upload(url, clip, scheme));
  const id = await published.get(scheme);
  const video = await (await fetch(`${url}/api/v5/videos/${id}`)).json();
  assert.equal(video.protection, scheme);
  return video;
}

async function upload(url, clip, protection) {
  const form = new FormData();
  for (const [name, value] of Object.entries({ title: `Protected with ${protection}`, protection })) form.set(name, value);
  form.set("video", new File([await readFile(clip)], basename(clip)));
  const headers = { authorization: `Bearer ${await accessToken(url, account)}` };
  const answer = await fetch(`${url}/api/v4/drm/vod/initiate-task/upload/`, { method: "POST", headers, body: form });
  const { data } = await answer.json();
  assert.equal(answer.status, 201, JSON.stringify(data));
  const events = await fetch(`${url}/api/v5/processes/${data.process_id}/events`);
  let said = "";
  for await (const piece of events.body.pipeThrough(new TextDecoderStream())) said += piece;
  assert.match(said, /"state":"ready"/);
  return data.video_id;
}

async function send(path, method, body) {
  const { url } = await platform();
  const headers = { authorization: `Bearer ${await accessToken(url, account)}`, "content-type": "application/json" };
  const answer = await fetch(url + path, { method, headers, body: body && JSON.stringify(body) });
  assert.ok(answer.ok, `${path}: ${answer.status} ${await answer.text()}`);
}

/** The newest entry of the log of licences. */
async function lastEntry(video) {
  const { url } = await platform();
  const headers = { authorization: `Bearer ${await accessToken(url, administrator)}` };
  const of = video === undefined ? "" : `&video=${video}`;
  const page = await (await fetch(`${url}/api/v5/admin/licences?limit=1${of}`, { headers })).json();
  return page.entries[0];
}

/** The page says why it does not play, and shows nothing. What the server answers may be changed on its way. */
async function refused(address, { page: given, html, licence }, sentence) {
  const { newPage } = await platform();
  const made = given === undefined ? await newPage({ expectedErrors: [/./] }) : undefined;
  const page = given ?? made.page;
  if (html !== undefined) {
    await page.route(address, async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, body: html(await answer.text()) });
    });
  }
  if (licence !== undefined) {
    await page.route("**/licences/clearkey**", async (route) => {
      const answer = await route.fetch();
      await route.fulfill({ response: answer, json: licence(await answer.json()) });
    });
  }
  await page.goto(address);
  const alert = page.getByRole("alert").filter({ hasText: sentence });
  // Some keys are only missed when there is something to decrypt.
  await Promise.race([alert.first().waitFor(), play(page).then(() => alert.first().waitFor())]);
  const decoded = await page.evaluate(() => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames);
  assert.equal(decoded, 0);
  await made?.close();
}

async function play(page) {
  await page.getByRole("button", { name: "Play", exact: true }).first().click();
}
