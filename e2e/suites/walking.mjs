// The whole site on foot: with nothing but a keyboard, without scripts, and each page in each of its states under axe.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { logIn, signUp } from "../account.mjs";
import { press, type } from "../keyboard.mjs";
import { account, administrator, artifacts, platform, serve } from "../platform.mjs";
import { ask, ended, upload } from "../publishing.mjs";
import { check } from "./pages.mjs";

const REFUSED = /status of 4(00|04|22)/;
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

describe("walking", () => {
  test("by keyboard from an account to a video, and to its end", async () => {
    const { url, clip, newPage } = await platform();
    const { page, close } = await newPage({ viewport: WIDE });
    const button = (name) => page.getByRole("button", { name, exact: true });
    const link = (name) => page.getByRole("link", { name, exact: true });
    await page.goto(url);
    await press(page, link("Sign up"));
    await page.waitForURL(`${url}/signup`);
    await type(page, page.getByLabel("User name"), "wanda");
    await type(page, page.getByLabel("E-mail address"), "wanda@example.org");
    await type(page, page.getByLabel("First name"), "Wanda");
    await type(page, page.getByLabel("Last name"), "Walker");
    await type(page, page.getByLabel("Password", { exact: true }), "correct horse");
    await type(page, page.getByLabel("Password again"), "correct horse");
    await press(page, button("Sign up"));
    await button("Log out").waitFor();

    await press(page, link("Upload"));
    await page.waitForURL(`${url}/upload`);
    const chooser = page.waitForEvent("filechooser");
    await press(page, page.getByLabel("Video", { exact: true }), "Space");
    await (await chooser).setFiles(clip);
    await type(page, page.getByLabel("Title"), "On foot");
    await press(page, button("Upload"));
    await link("Watch it").waitFor({ timeout: 60_000 });
    await press(page, link("Watch it"));
    await page.locator("#stage .player video").waitFor({ timeout: 120_000 });
    await button("Play").first().waitFor();
    await press(page, button("Play").first());
    await page.waitForFunction(() => document.querySelector("video").getVideoPlaybackQuality().totalVideoFrames > 12);

    await press(page, link("Edit"));
    await page.waitForURL(/\/studio\//);
    await type(page, page.getByLabel("Title"), "On foot, at last");
    await press(page, button("Save"));
    await page.getByText("Your changes are saved.").waitFor();
    await press(page, link("Delete this video…"));
    await page.getByRole("heading", { name: "Delete this video?" }).waitFor();
    await press(page, button("Delete for good"));
    await page.getByText("1 video is deleted.").waitFor();
    await press(page, button("Log out"));
    await link("Log in").waitFor();
    await close();
  });

  test("without scripts through every list and form of a visitor", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage({ javaScriptEnabled: false });
    await page.goto(url);
    await page.getByRole("search").getByLabel("Search videos").fill("clip markup");
    await page.getByRole("search").getByRole("button", { name: "Search" }).click();
    await page.getByRole("heading", { level: 1, name: "clip markup" }).waitFor();
    await page.getByLabel("Length").selectOption("long");
    await page.getByRole("button", { name: "Apply" }).click();
    await page.getByText("No video is like that.").waitFor();
    await page.getByRole("link", { name: "without the filters" }).click();
    await page.getByRole("link", { name: account.username, exact: true }).first().click();
    await page.getByRole("heading", { level: 1, name: account.username }).waitFor();
    const feed = await page.request.get(new URL(await page.getByRole("link", { name: "Feed (RSS)" }).getAttribute("href"), url).href);
    assert.match(await feed.text(), /<rss/);
    await page.goto(`${url}/watch/${video.id}`);
    await page.getByText("Share", { exact: true }).click();
    assert.equal(await page.getByLabel("Link", { exact: true }).inputValue(), `${url}/watch/${video.id}`);
    await page.getByRole("link", { name: "Log in", exact: true }).first().click();
    await page.getByLabel("User name or e-mail address").waitFor();
    await close();
  });

  test("without scripts through every form of an account", async () => {
    const { url, newPage } = await platform();
    const { page, close } = await newPage({ javaScriptEnabled: false, expectedErrors: [REFUSED] });
    const button = (name) => page.getByRole("button", { name, exact: true });
    await signUp(page, url, "wilma");
    await page.goto(`${url}/studio`);
    await page.getByRole("heading", { level: 1 }).waitFor();
    await page.goto(`${url}/account`);
    await page.getByLabel("First name").fill("Wilhelmine");
    await button("Change name").click();
    await page.getByText("Your name is changed.").waitFor();
    assert.equal(await page.getByLabel("First name").inputValue(), "Wilhelmine");
    await page.getByLabel("Present password").fill("wrong horse");
    await page.getByLabel("New password", { exact: true }).fill("another horse");
    await page.getByLabel("New password again").fill("another horse");
    await button("Change password").click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Present password").fill("correct horse");
    await page.getByLabel("New password", { exact: true }).fill("another horse");
    await page.getByLabel("New password again").fill("another horse");
    await button("Change password").click();
    await page.getByText("Your password is changed").waitFor();
    await page.getByLabel("What it is for").fill("A robot");
    await page.getByLabel("read: see what only you may see").check();
    await button("Make a token").click();
    await page.getByText("The token is made.").waitFor();
    await button("End this token").click();
    await page.getByText("That token is refused from now on.").waitFor();
    await page.locator("#delete-password").fill("another horse");
    await page.getByLabel("Delete my account and all my videos.").check();
    await button("Delete account").click();
    await page.waitForURL(`${url}/`);
    await page.getByRole("link", { name: "Log in" }).waitFor();
    await close();
  });

  test("without scripts through every page of an administrator", async () => {
    const { url, newPage } = await platform();
    const { page, close } = await newPage({ javaScriptEnabled: false });
    await page.goto(`${url}/login?next=/admin`);
    await logIn(page, administrator.username, administrator.password);
    await page.getByRole("heading", { level: 1, name: "Administration" }).waitFor();
    for (const [name, heading] of Object.entries(ADMINISTRATION)) {
      await page.getByRole("main").getByRole("link", { name, exact: true }).click();
      await page.getByRole("heading", { level: 1, name: heading }).waitFor();
      await page.getByRole("link", { name: "Administration", exact: true }).last().click();
      await page.getByRole("heading", { level: 1, name: "Administration" }).waitFor();
    }
    await page.goto(`${url}/admin/storage`);
    await page.getByRole("rowheader", { name: "480p" }).waitFor();
    await page.getByRole("link", { name: "Newest" }).click();
    await page.waitForURL(/order=newest/);
    assert.equal(await page.getByRole("link", { name: "Newest" }).getAttribute("aria-current"), "true");
    await page.getByRole("link", { name: "A clip with <markup> & more" }).click();
    await page.waitForURL(/\/watch\//);
    await page.goto(`${url}/admin/configuration`);
    const rate = page.getByRole("row").filter({ hasText: "limits.rate" });
    await rate.getByText('"off"').waitFor();
    await rate.getByText("CUTETUBE_LIMITS__RATE").waitFor();
    await close();
  });

  test("every page of a visitor, empty, wrong and full, light and dark", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage({ expectedErrors: [REFUSED] });
    await each(page, url, {
      home: "/",
      "search-empty": "/search",
      "search-nothing": "/search?q=zzz",
      "search-full": "/search?q=clip",
      channel: `/u/${account.username}`,
      watch: `/watch/${video.id}`,
      embed: `/embed/${video.id}`,
      streams: "/app/stream/",
      login: "/login",
      signup: "/signup",
      forgot: "/forgot",
      reset: "/reset",
      verify: "/verify",
      missing: "/nothing",
    });
    await page.goto(`${url}/login`);
    await logIn(page, "nobody", "wrong horse");
    await page.getByRole("alert").waitFor();
    await seen(page, "login-wrong");
    await page.goto(`${url}/signup`);
    for (const label of ["User name", "First name", "Last name", "Password again"]) await page.getByLabel(label).fill("x y");
    await page.getByLabel("E-mail address").fill("a@b.c");
    await page.getByLabel("Password", { exact: true }).fill("password");
    await page.getByRole("button", { name: "Sign up" }).click();
    await page.locator("[aria-invalid=true]").first().waitFor();
    await seen(page, "signup-wrong");
    await close();
  });

  test("a platform that has nothing yet, light and dark", async () => {
    const { newPage } = await platform();
    const nothing = await serve("nothing");
    try {
      const { page, close } = await newPage({ others: [nothing.url] });
      await each(page, nothing.url, { "home-nothing": "/", "search-of-nothing": "/search?q=clip", "streams-nothing": "/app/stream/" });
      await close();
    } finally {
      await nothing.stop();
    }
  });

  test("every page of a person, empty, waiting, wrong and full, light and dark", async () => {
    const { url, clip, newPage } = await platform();
    const { page, close } = await newPage({ expectedErrors: [REFUSED] });
    const walker = { username: "walter", password: "correct horse" };
    await signUp(page, url, walker.username);
    await each(page, url, { "studio-empty": "/studio", "channel-empty": `/u/${walker.username}`, account: "/account", upload: "/upload" });
    const scrap = join(artifacts, "scrap.mp4");
    writeFileSync(scrap, Uint8Array.from([0x1a, 0x45, 0xdf, 0xa3, ...Buffer.from("and nothing that belongs into one")]));
    const failed = await upload(url, scrap, "It fails", walker);
    await ended(url, failed);
    await ask(url, administrator, "POST", "/api/v5/admin/queues/pipeline/pause");
    try {
      const waiting = await upload(url, clip, "It waits", walker);
      await each(page, url, {
        waiting: `/watch/${waiting}`,
        "embed-waiting": `/embed/${waiting}`,
        "studio-waiting": `/studio/${waiting}`,
        failed: `/watch/${failed}`,
        "studio-failed": `/studio/${failed}`,
        "studio-full": "/studio",
        "studio-delete": `/studio/delete?id=${failed}`,
      });
      await page.goto(`${url}/studio/${failed}`);
      await page.getByLabel("Tags").fill(Array.from({ length: 21 }, (_, number) => `tag${number}`).join(","));
      await page.getByRole("button", { name: "Save" }).click();
      await page.getByRole("alert").waitFor();
      await seen(page, "studio-wrong");
      for (const id of [waiting, failed]) await ask(url, walker, "DELETE", `/api/v5/videos/${id}`);
    } finally {
      await ask(url, administrator, "POST", "/api/v5/admin/queues/pipeline/resume");
    }
    await close();
  });

  test("every page of an administrator, light and dark", async () => {
    const { url, video, newPage } = await platform();
    const { page, close } = await newPage();
    await page.goto(`${url}/login?next=/admin`);
    await logIn(page, administrator.username, administrator.password);
    await page.getByRole("heading", { level: 1, name: "Administration" }).waitFor();
    const { id } = await ask(url, account, "GET", "/api/v5/me");
    await each(page, url, {
      admin: "/admin",
      "admin-jobs": "/admin/jobs",
      "admin-video": `/admin/jobs/videos/${video.id}`,
      "admin-quality": "/admin/quality",
      "admin-comments": "/admin/comments",
      "admin-people": "/admin/users",
      "admin-nobody": "/admin/users?q=zzz",
      "admin-person": `/admin/users/${id}`,
      "admin-storage": "/admin/storage",
      "admin-configuration": "/admin/configuration",
    });
    await close();
  });
});

/** Links of the page for administrators, and the headings that they lead to. */
const ADMINISTRATION = {
  Jobs: "Jobs",
  Quality: "Quality",
  Storage: "Storage",
  People: "People",
  Comments: "Reported comments",
  Configuration: "Configuration",
};

async function each(page, url, pages) {
  for (const [name, path] of Object.entries(pages)) {
    await page.goto(url + path);
    await seen(page, name);
  }
}

/** Light on a desk, dark in a hand. */
async function seen(page, name) {
  await page.setViewportSize(WIDE);
  await page.emulateMedia({ colorScheme: "light" });
  await check(page, `walk-${name}-light`);
  await page.setViewportSize(PHONE);
  await page.emulateMedia({ colorScheme: "dark" });
  await check(page, `walk-${name}-dark`);
}
