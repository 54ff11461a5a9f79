// What people say below a video, what they report, and what administrators decide: with a mouse, on a phone, without
// scripts, and with nothing but a keyboard.

import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, test } from "node:test";
import { logIn, signUp } from "../account.mjs";
import * as keyboard from "../keyboard.mjs";
import { administrator, artifacts, platform } from "../platform.mjs";
import { ask, ended, upload } from "../publishing.mjs";
import { check } from "./pages.mjs";

const REFUSED = /status of 4(09|22)/;
const WIDE = { width: 1280, height: 800 };
const PHONE = { width: 360, height: 740 };

/** How controls are used. */
const HAND = { press: (_, control) => control.click(), type: (_, field, text) => field.fill(text) };

const LOOKS = {
  wide: { viewport: WIDE, hand: HAND },
  phone: { viewport: PHONE, hand: HAND },
  bare: { viewport: WIDE, hand: HAND, javaScriptEnabled: false },
  keys: { viewport: WIDE, hand: keyboard },
};

describe("discussing", () => {
  for (const [look, { hand, ...options }] of Object.entries(LOOKS)) {
    test(`people talk, one reports, an administrator decides, the owner has enough, ${look}`, async () => {
      const { url, newPage } = await platform();
      const video = await subject();
      const watch = `${url}/watch/${video}`;
      const { page, close } = await newPage({ ...options, expectedErrors: [REFUSED] });
      const { press, type } = hand;
      const button = (name) => page.getByRole("button", { name, exact: true });
      const seen = (state) => looked(page, `discussing-${state}-${look}`, options);

      await page.goto(watch);
      await page.getByRole("heading", { name: "No comments yet" }).waitFor();
      await seen("empty");
      const name = `dora-${look}`;
      await signUp(page, url, name);
      await page.goto(watch);

      // What is refused is still there to be put right.
      await type(page, page.getByLabel("Say something"), "   ");
      await press(page, button("Post"));
      await page.getByRole("heading", { name: "This was not posted" }).waitFor();
      await seen("refused");
      await type(page, page.getByLabel("What you wrote"), "What a <tone>!");
      await press(page, button("Post"));
      await page.waitForURL(/#comment-/);
      const said = page.getByText("What a <tone>!", { exact: true });
      await said.waitFor();

      await press(page, page.getByText(`Answer ${name}`, { exact: true }));
      await type(page, page.getByLabel("Your answer"), "It is an A.");
      await press(page, page.locator("details").getByRole("button", { name: "Post" }));
      await page.getByRole("heading", { name: "2 comments" }).waitFor();
      await page.getByRole("list", { name: `Answers to ${name}` }).getByText("It is an A.").waitFor();

      await press(page, button("Like"));
      await page.getByText("1 like", { exact: true }).waitFor();
      assert.equal(await button("You like this").getAttribute("aria-pressed"), "true");
      await seen("full");
      await press(page, button("You like this"));
      await page.getByText("No likes yet").waitFor();

      const more = page.getByRole("link", { name: `More about what ${name} says` }).first();
      await press(page, more);
      await type(page, page.getByLabel("Say it otherwise"), " ");
      await press(page, button("Save"));
      await page.getByRole("alert").waitFor();
      await seen("not-edited");
      await type(page, page.getByLabel("Say it otherwise"), "What a tone.");
      await press(page, button("Save"));
      await page.getByText("What a tone.", { exact: true }).waitFor();
      await page.getByText(/ · edited/).waitFor();

      await report(url, newPage, options, hand, name);
      await moderate(url, newPage, options, hand, name, look);

      // Who has the page open from before is told, and loses nothing.
      await page.goto(watch);
      await page.getByRole("heading", { name: "1 comment", exact: true }).waitFor();
      await setOpen(url, newPage, options, hand, look, "Close the comments");
      await type(page, page.getByLabel("Say something"), "One more");
      await press(page, button("Post"));
      await page.getByRole("alert").getByText("The comments of this video are closed.").waitFor();
      assert.equal(await page.getByLabel("What you wrote").inputValue(), "One more");
      await press(page, page.getByRole("link", { name: "Back to the video" }));
      await page.getByText("The comments are closed.").waitFor();
      await seen("closed");
      await setOpen(url, newPage, options, hand, look, "Open the comments");

      await press(page, more);
      await seen("own");
      await press(page, button("Delete this comment"));
      await page.getByRole("heading", { name: "No comments yet" }).waitFor();
      await close();
    });
  }

  test("a long discussion goes on where the page ends", async () => {
    const { url, newPage } = await platform();
    const video = await subject();
    const path = `/api/v5/videos/${video}/comments`;
    const made = [];
    for (let number = 1; number <= 22; number += 1) {
      made.push(await ask(url, owner, "POST", path, { text: `Number ${number}` }));
    }
    const { page, close } = await newPage({ viewport: PHONE });
    await page.goto(`${url}/watch/${video}`);
    await page.getByRole("heading", { name: "22 comments" }).waitFor();
    await looked(page, "discussing-long", {});
    await page.getByRole("link", { name: "Older comments" }).click();
    await page.getByText("Number 1", { exact: true }).waitFor();
    assert.equal(await page.getByText("Number 3", { exact: true }).count(), 0);
    for (const { id } of made) await ask(url, owner, "DELETE", `/api/v5/comments/${id}`);
    await close();
  });
});

const owner = { username: "dora", password: "correct horse" };
let published;

/** The video that everybody talks about, with an owner of its own. */
function subject() {
  published ??= (async () => {
    const { url, clip, newPage } = await platform();
    const { page, close } = await newPage();
    await signUp(page, url, owner.username);
    await close();
    const video = await upload(url, clip, "A clip to talk about", owner);
    await ended(url, video);
    return video;
  })();
  return published;
}

/** The owner finds something wrong with both things that are said. */
async function report(url, newPage, options, { press, type }, name) {
  const { page, close } = await newPage({ ...options, expectedErrors: [REFUSED] });
  const video = await subject();
  await page.goto(`${url}/login?next=/watch/${video}`);
  await logIn(page, owner.username, owner.password);
  await page.waitForURL(/\/watch\//);
  for (const [position, reason] of ["Rude", "Wrong"].entries()) {
    await page.goto(`${url}/watch/${video}`);
    await press(page, page.getByRole("link", { name: `More about what ${name} says` }).nth(position));
    if (position === 0) {
      await type(page, page.getByLabel("What is wrong with it?"), " ");
      await press(page, page.getByRole("button", { name: "Report it" }));
      await page.getByRole("alert").waitFor();
    }
    await type(page, page.getByLabel("What is wrong with it?"), reason);
    await press(page, page.getByRole("button", { name: "Report it" }));
    await page.getByText("Thank you.").waitFor();
  }
  await close();
}

/** An administrator keeps the comment and removes the answer. */
async function moderate(url, newPage, options, { press }, name, look) {
  const { page, close } = await newPage(options);
  await page.goto(`${url}/login?next=/admin/comments`);
  await logIn(page, administrator.username, administrator.password);
  const reported = page.getByRole("listitem").filter({ hasText: `${name}, about` });
  await reported.filter({ hasText: "What a tone." }).getByText("Rude").waitFor();
  await looked(page, `moderating-${look}`, options);
  const decide = (text, verb) => press(page, reported.filter({ hasText: text }).getByRole("button", { name: verb }));
  await decide("What a tone.", "Keep");
  await page.getByRole("cell", { name: "kept" }).first().waitFor();
  await decide("It is an A.", "Remove");
  await page.getByText("Nobody has reported anything.").waitFor();
  await looked(page, `moderated-${look}`, options);
  await close();
}

async function setOpen(url, newPage, options, { press }, look, verb) {
  const { page, close } = await newPage(options);
  const video = await subject();
  await page.goto(`${url}/login?next=/studio/${video}`);
  await logIn(page, owner.username, owner.password);
  await press(page, page.getByRole("button", { name: verb }));
  await page.getByRole("status").waitFor();
  await looked(page, `discussing-studio-${look}`, options);
  await close();
}

/** By axe in light and in dark where scripts run, and by people in any case. */
async function looked(page, name, { javaScriptEnabled = true }) {
  if (!javaScriptEnabled) return page.screenshot({ path: join(artifacts, `${name}.png`), fullPage: true });
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    await check(page, `${name}-${colorScheme}`);
  }
}
