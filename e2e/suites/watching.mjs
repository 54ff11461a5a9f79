// What the page of a video does for whoever watches: theatre mode, the place where they stopped, keys; and what cards show
// of a video before it is opened; and what its owner chooses and sees of it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { accessToken, logIn, signIn } from "../account.mjs";
import { account, administrator, clipSeconds, platform } from "../platform.mjs";
import { frames, seek } from "../video.mjs";
import { check } from "./pages.mjs";

const REFUSED = /status of 4(15|22)/;
const LOOKS = {
  wide: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  phone: { viewport: { width: 390, height: 844 }, colorScheme: "dark" },
};

describe("watching", () => {
  for (const [look, options] of Object.entries(LOOKS)) {
    test(`theatre mode and the list of keys, ${look}`, async () => {
      const { url, video, newPage } = await platform();
      const { page, close } = await newPage(options);
      await opened(page, `${url}/watch/${video.id}`);
      const width = () => page.evaluate(() => document.querySelector(".player").clientWidth);
      const window = await page.evaluate(() => document.documentElement.clientWidth);
      assert.ok((await width()) < window);
      await page.keyboard.press("t");
      assert.equal(await width(), window);
      await check(page, `theatre-${look}`);
      await page.reload();
      await page.locator("body.theatre").waitFor();
      assert.equal(await width(), window, "it is remembered");
      await page.keyboard.press("?");
      await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
      await check(page, `keys-${look}`);
      // Keys are the dialog's while it is open.
      await page.keyboard.press("t");
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "hidden" });
      assert.equal(await width(), window);
      if (look === "wide") await page.getByRole("button", { name: "Theatre mode" }).click();
      else await page.keyboard.press("t");
      assert.ok((await width()) < window);
      await page.getByRole("button", { name: "Keyboard shortcuts" }).click();
      await page.getByRole("button", { name: "Close" }).click();
      await close();
    });
  }

  test("somebody goes on where they stopped", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage();
    const here = `${url}/watch/${video.id}`;
    await opened(page, here);
    assert.equal(await time(page), 0);
    await page.keyboard.press("k");
    await frames(page, 12);
    await page.keyboard.press("k");
    await seek(page, 5);
    await opened(page, here);
    await near(page, 5);
    await page.getByText("You stopped at 0:05").waitFor();
    await check(page, "resumed");
    await opened(page, `${here}?t=2`);
    await near(page, 2);
    assert.ok(!(await page.getByText("You stopped at").isVisible()), "an address that names a time wins");
    await opened(page, here);
    await page.getByRole("button", { name: "Start from the beginning" }).click();
    await page.waitForFunction(() => document.querySelector("video").currentTime < 2);
    await frames(page, 6);
    await page.keyboard.press("k");
    await seek(page, 5);

    // Whoever asks before the video is there is not forgotten.
    let ask;
    const asked = new Promise((resolve) => (ask = resolve));
    await page.route("**/*.mpd*", async (route) => {
      await asked;
      await route.continue();
    });
    await page.goto(here);
    await page.getByRole("button", { name: "Start from the beginning" }).click();
    ask();
    await page.waitForFunction(() => document.querySelector("video").readyState > 0);
    await frames(page, 6);
    assert.ok((await time(page)) < 4, "it began at 0:00");
    await page.unroute("**/*.mpd*");
    await seek(page, clipSeconds - 0.3);
    await page.waitForFunction(() => document.querySelector("video").ended);
    await opened(page, here);
    assert.equal(await time(page), 0, "whoever has seen it begins anew");
    await close();
  });

  test("keys act on the player, and are left to those who type", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage();
    await opened(page, `${url}/watch/${video.id}?t=6`);
    const state = () =>
      page.evaluate(() => {
        const { paused, muted, volume, playbackRate, currentTime } = document.querySelector("video");
        return { paused, muted, volume, playbackRate, currentTime };
      });
    await near(page, 6);
    for (const [key, at] of [["j", 0], ["ArrowRight", 5], ["5", 6], ["ArrowLeft", 1], ["l", 11], ["0", 0]]) {
      await page.keyboard.press(key);
      await near(page, at);
    }
    await page.getByRole("status").getByText("To 0 %").waitFor();
    await page.keyboard.press("Space");
    await page.waitForFunction(() => !document.querySelector("video").paused);
    await page.keyboard.press("k");
    await page.waitForFunction(() => document.querySelector("video").paused);
    await page.keyboard.press("m");
    assert.equal((await state()).muted, true);
    await page.keyboard.press("m");
    assert.equal((await state()).muted, false);
    await page.keyboard.press(">");
    await page.waitForFunction(() => document.querySelector("video").playbackRate === 1.25);
    await page.keyboard.press("<");
    await page.keyboard.press("<");
    await page.waitForFunction(() => document.querySelector("video").playbackRate === 0.75);
    await page.keyboard.press("f");
    await page.waitForFunction(() => document.fullscreenElement?.classList.contains("player"));
    await page.keyboard.press("f");
    await page.waitForFunction(() => document.fullscreenElement === null);
    await page.keyboard.press("c");
    await page.getByRole("status").getByText(/captions/i).waitFor();

    // The page scrolls with up and down, and the volume changes for whoever is in the player.
    await page.keyboard.press("ArrowDown");
    assert.equal((await state()).volume, 1);
    await page.getByRole("button", { name: /^full screen$/i }).focus();
    await page.keyboard.press("ArrowDown");
    assert.equal((await state()).volume, 0.9);

    const finder = page.getByRole("search").getByLabel("Search videos");
    await finder.focus();
    const before = await state();
    await page.keyboard.type("jkl m5?<t ");
    assert.equal(await finder.inputValue(), "jkl m5?<t ");
    assert.deepEqual(await state(), before);
    assert.equal(await page.locator("body.theatre").count(), 0);
    await page.keyboard.press("Control+k");
    assert.deepEqual(await state(), before);

    // Space presses what has the focus.
    await page.getByText("Share", { exact: true }).focus();
    await page.keyboard.press("Space");
    await page.getByRole("button", { name: "Copy link", exact: true }).waitFor();
    assert.equal((await state()).paused, true);

    // Whoever wants no single keys on the page has them in the player.
    await page.keyboard.press("?");
    await page.getByLabel("Anywhere on the page").uncheck();
    await page.keyboard.press("Escape");
    await page.getByText("Share", { exact: true }).focus();
    await page.keyboard.press("m");
    assert.equal((await state()).muted, false);
    await page.getByRole("button", { name: /^full screen$/i }).focus();
    await page.keyboard.press("m");
    assert.equal((await state()).muted, true);
    await close();
  });

  test("the player has speeds, rungs, and a window of its own where the browser has one", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage({ viewport: { width: 1280, height: 800 } });
    await opened(page, `${url}/watch/${video.id}`);
    await page.getByRole("button", { name: "Play", exact: true }).first().click();
    await frames(page, 12);
    await page.mouse.move(500, 300);
    await page.getByRole("button", { name: "More settings" }).click();
    await page.getByRole("button", { name: /Playback speed/ }).waitFor();
    const window = page.getByRole("button", { name: /picture-in-picture/i }).first();
    assert.equal(await window.count(), await page.evaluate(() => Number(document.pictureInPictureEnabled)));
    if (await page.evaluate(() => document.pictureInPictureEnabled)) {
      await window.click();
      await page.waitForFunction(() => document.pictureInPictureElement !== null);
      await page.keyboard.press("i");
      await page.waitForFunction(() => document.pictureInPictureElement === null);
    }
    await close();
  });

  test("a page that turns into the player offers what there is by then", async () => {
    const { url, clip, newPage } = await platform();
    const { page, close } = await newPage();
    await signIn(page, url, administrator);
    await page.goto(`${url}/upload`);
    const token = await accessToken(url, administrator);
    const { openAsBlob } = await import("node:fs");
    const body = new FormData();
    body.append("title", "A clip that becomes ready");
    body.append("video", await openAsBlob(clip), "clip.mp4");
    const answer = await fetch(`${url}/api/v5/videos`, { method: "POST", headers: { authorization: `Bearer ${token}` }, body });
    const { id } = await answer.json();
    await page.goto(`${url}/watch/${id}`);
    await page.getByText("This video is being prepared").waitFor();
    assert.equal(await page.getByText("Download", { exact: true }).count(), 0);
    await page.locator(".shaka-controls-button-panel").first().waitFor({ state: "attached" });
    await page.getByText("Download", { exact: true }).click();
    await page.getByRole("link", { name: /^As it was uploaded/ }).waitFor();
    await page.getByText(/0:12/).first().waitFor();
    await close();
  });
});

describe("previews", () => {
  for (const how of ["pointer", "keyboard"]) {
    test(`a card shows what is in its video, with the ${how}`, async () => {
      const { url, video, newPage } = await platform();
      const { page, close } = await newPage({ viewport: { width: 1280, height: 800 }, reducedMotion: "no-preference" });
      const asked = [];
      page.on("request", (request) => asked.push(request.url()));
      await page.goto(url, { waitUntil: "networkidle" });
      assert.ok(!asked.some((address) => address.includes("storyboard")), "nothing is fetched before");
      const card = page.locator(".card", { hasText: "A clip with <markup>" }).first();
      if (how === "pointer") await card.hover();
      else await card.getByRole("link", { name: video.title }).focus();
      if (how === "keyboard") {
        await page.keyboard.press("Shift+Tab");
        await page.keyboard.press("Tab");
      }
      const picture = card.locator(".preview");
      await picture.waitFor();
      const first = await picture.getAttribute("src");
      await page.waitForFunction((first) => document.querySelector(".card .preview")?.getAttribute("src") !== first, first);
      await check(page, `preview-${how}`);
      if (how === "pointer") await page.mouse.move(0, 0);
      else await page.getByRole("search").getByLabel("Search videos").focus();
      await picture.waitFor({ state: "detached" });
      await close();
    });
  }

  test("whoever wants less motion sees one picture, and no other", async () => {
    const { url, newPage } = await platform();
    const { page, close } = await newPage({ reducedMotion: "reduce" });
    const asked = new Set();
    page.on("request", (request) => {
      if (/storyboard\/\d+\.jpg/.test(request.url())) asked.add(request.url());
    });
    await page.goto(url);
    const card = page.locator(".card").first();
    await card.hover();
    const picture = card.locator(".preview");
    await picture.waitFor();
    const settled = await picture.getAttribute("src");
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 1500)));
    assert.equal(await picture.getAttribute("src"), settled);
    assert.equal(asked.size, 1);
    await close();
  });
});

describe("looking after a video", () => {
  for (const [look, options] of Object.entries(LOOKS)) {
    test(`an owner chooses a poster, ${look}`, async () => {
      const { url, video, newPage } = await platform();
      const { page, close } = await newPage({ ...options, expectedErrors: [REFUSED] });
      await page.goto(`${url}/studio/${video.id}`);
      await logIn(page, account.username, account.password);
      await page.getByRole("link", { name: "Choose another poster" }).click();
      const shown = () => page.getByRole("img", { name: "Poster of the video" });
      const made = await shown().getAttribute("src");
      await check(page, `poster-${look}`);

      await page.getByLabel("Time").fill("99:00");
      await page.getByRole("button", { name: "Take this moment" }).click();
      await page.getByRole("alert").getByText("The video ends after").waitFor();
      assert.equal(await page.getByLabel("Time").inputValue(), "99:00", "what was typed is still there");
      await page.getByLabel("Time").fill("0:09.5");
      await page.getByRole("button", { name: "Take this moment" }).click();
      await page.getByText("This moment is the poster now.").waitFor();
      const taken = await shown().getAttribute("src");
      assert.notEqual(taken, made);
      assert.deepEqual(await sizeOf(shown()), [854, 480]);
      await check(page, `poster-taken-${look}`);

      // A picture that is half transparent: what lies below is not to be seen.
      await page.getByLabel("File").setInputFiles({ name: "own.png", mimeType: "image/png", buffer: await painted(page) });
      await page.getByRole("button", { name: "Send this picture" }).click();
      await page.getByText("Your picture is the poster now.").waitFor();
      const sent = await shown().getAttribute("src");
      assert.deepEqual(await sizeOf(shown()), [1280, 640]);
      const [left, right] = await coloursOf(shown());
      assert.ok(left[0] > 200 && left[1] < 60 && left[2] < 60, `red: ${left}`);
      assert.ok(right.every((part) => part < 40), `black: ${right}`);
      assert.equal((await page.request.get(url + taken)).status(), 404, "the one before is gone");

      await page.getByLabel("File").setInputFiles({ name: "own.png", mimeType: "image/png", buffer: Buffer.from("no picture") });
      await page.getByRole("button", { name: "Send this picture" }).click();
      await page.getByRole("alert").getByText("Only pictures in JPEG, PNG or WebP").waitFor();
      const broken = Buffer.concat([Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]), Buffer.from("and no more")]);
      await page.getByLabel("File").setInputFiles({ name: "own.png", mimeType: "image/png", buffer: broken });
      await page.getByRole("button", { name: "Send this picture" }).click();
      await page.getByRole("alert").getByText("There is no picture that can be read").waitFor();

      await page.goto(`${url}/watch/${video.id}`);
      assert.equal(await page.locator("video").getAttribute("poster"), sent);
      assert.equal(await page.locator('meta[property="og:image"]').getAttribute("content"), url + sent);
      await page.goto(`${url}/u/${account.username}`);
      await page.locator(`.card img[src="${sent}"]`).waitFor();
      await page.goto(`${url}/studio/${video.id}/poster`);
      await page.getByRole("button", { name: "Back to the one made with the video" }).click();
      await page.getByText("The poster is the one again that was made with the video.").waitFor();
      assert.equal(await shown().getAttribute("src"), made);
      await close();
    });
  }

  test("what is watched is seen by day and by part", async () => {
    const { url, video, newPage } = await platform();
    const headers = { authorization: `Bearer ${await accessToken(url, account)}` };
    const told = async () => (await fetch(`${url}/api/v5/videos/${video.id}/statistics?days=7`, { headers })).json();
    const before = await told();
    const { page, close } = await newPage();
    await opened(page, `${url}/watch/${video.id}?t=6`);
    await page.getByRole("button", { name: "Play", exact: true }).first().click();
    await page.waitForFunction(() => document.querySelector("video").currentTime > 8);
    await page.goto(`${url}/login`);
    // The browser sends it when the page is gone, and tells nobody of the answer.
    let after = before;
    while (after.playbacks === before.playbacks) after = await told();
    assert.equal(after.playbacks, before.playbacks + 1);
    const seconds = after.played_seconds - before.played_seconds;
    assert.ok(seconds > 1.5 && seconds < 6, `played for ${seconds} s`);
    const parts = after.parts.map(({ playbacks }, part) => playbacks - before.parts[part].playbacks);
    assert.ok(parts.every((more) => more === 0 || more === 1), parts.join(" "));
    assert.deepEqual([parts[24], parts[26], parts[30]], [0, 1, 1], `what was passed over is not watched: ${parts.join(" ")}`);
    await close();
  });

  for (const [look, options] of Object.entries(LOOKS)) {
    test(`statistics are accessible and fit, ${look}`, async () => {
      const { url, video, newPage } = await platform();
      const report = { begins: true, played_ms: 9000, parts: Array.from({ length: 40 }, (_, part) => part) };
      for (const parts of [report.parts, report.parts.slice(0, 25), report.parts.slice(0, 10)]) {
        const body = JSON.stringify({ ...report, parts });
        const answer = await fetch(`${url}/api/v5/videos/${video.id}/audience`, { method: "POST", headers: { "content-type": "application/json" }, body });
        assert.equal(answer.status, 204);
      }
      const { page, close } = await newPage(options);
      await page.goto(`${url}/studio/${video.id}`);
      await logIn(page, account.username, account.password);
      await page.getByRole("link", { name: "Statistics" }).click();
      await page.getByRole("heading", { level: 1, name: "Statistics" }).waitFor();
      await page.getByRole("img", { name: "How far people watch" }).waitFor();
      for (const figures of await page.getByText(/^Figures$/).all()) await figures.click();
      await check(page, `statistics-${look}`);
      await page.getByRole("link", { name: "7 days" }).click();
      await page.getByText("In the last 7 days").waitFor();
      await close();
    });
  }

  for (const [look, options] of Object.entries(LOOKS)) {
    test(`an owner sees how a video is made, ${look}`, async () => {
      const { url, video, newPage } = await platform();
      const { page, close } = await newPage(options);
      await page.goto(`${url}/studio/${video.id}`);
      await logIn(page, account.username, account.password);
      await page.getByRole("link", { name: "How it is made" }).click();
      await page.getByRole("heading", { level: 1, name: "Processing" }).waitFor();
      await page.getByText("100 %, 1 of 1 recorded").first().waitFor();
      await page.getByRole("img", { name: "Pieces over the timeline" }).waitFor();
      assert.ok((await page.locator("rect.cell.done").count()) >= 3, "two rungs and the sound");
      await check(page, `processing-${look}`);
      await close();
    });
  }

  test("statistics of a video that nobody has watched say so", async () => {
    const { url, newPage } = await platform();
    const { page, close } = await newPage({ viewport: { width: 390, height: 844 }, colorScheme: "dark" });
    const token = await accessToken(url, administrator);
    const body = new FormData();
    body.append("title", "Nobody has seen this");
    const matroska = [0x1a, 0x45, 0xdf, 0xa3, ...Buffer.from("and nothing that belongs into one")];
    body.append("video", new Blob([Uint8Array.from(matroska)]), "scrap.mp4");
    const answer = await fetch(`${url}/api/v5/videos`, { method: "POST", headers: { authorization: `Bearer ${token}` }, body });
    const { id } = await answer.json();
    await page.goto(`${url}/studio/${id}/statistics`);
    await logIn(page, administrator.username, administrator.password);
    await page.getByText("Nobody has watched it in the last 30 days.").waitFor();
    await check(page, "statistics-none");
    await close();
  });
});

/** Width and height that a picture has by itself. */
const sizeOf = (picture) => picture.evaluate(async (image) => (await image.decode(), [image.naturalWidth, image.naturalHeight]));

/** Red, green and blue of a point in the left half of a picture, and of one in the right half. */
const coloursOf = (picture) =>
  picture.evaluate((image) => {
    const context = new OffscreenCanvas(image.naturalWidth, image.naturalHeight).getContext("2d");
    context.drawImage(image, 0, 0);
    const at = (part) => [...context.getImageData(image.naturalWidth * part, image.naturalHeight / 2, 1, 1).data.slice(0, 3)];
    return [at(0.25), at(0.75)];
  });

/** A PNG of 2000 × 1000 points, red on the left, and transparent on the right. */
async function painted(page) {
  const bytes = await page.evaluate(async () => {
    const canvas = new OffscreenCanvas(2000, 1000);
    const context = canvas.getContext("2d");
    context.fillStyle = "#ff0000";
    context.fillRect(0, 0, 1000, 1000);
    return [...new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer())];
  });
  return Buffer.from(bytes);
}

/** Opens a page, and waits until its video is loaded. */
async function opened(page, address) {
  await page.goto(address);
  await page.waitForFunction(() => document.querySelector("video").readyState > 0);
}

const time = (page) => page.evaluate(() => document.querySelector("video").currentTime);

function near(page, seconds) {
  return page.waitForFunction((seconds) => Math.abs(document.querySelector("video").currentTime - seconds) < 0.5, seconds);
}
