// What people show of themselves, and which letters they want.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { signUp } from "../account.mjs";
import { artifacts, platform } from "../platform.mjs";
import { check } from "./pages.mjs";

const REFUSED = /status of 4(15|22)/;
const LOOKS = {
  wide: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  phone: { viewport: { width: 360, height: 740 }, colorScheme: "dark" },
  bare: { viewport: { width: 1280, height: 800 }, javaScriptEnabled: false },
};

describe("people", () => {
  for (const [look, options] of Object.entries(LOOKS)) {
    test(`somebody shows a picture, another one and none, ${look}`, async () => {
      const { url, video, newPage } = await platform();
      const { page, close } = await newPage({ ...options, expectedErrors: [REFUSED] });
      const name = `frida-${look}`;
      await signUp(page, url, name);
      await page.goto(`${url}/account`);
      assert.equal(await page.locator("h1 .face").textContent(), "F");
      await choose(page, notPicture());
      await page.getByRole("alert").getByText("Only pictures in JPEG, PNG or WebP").waitFor();
      if (look !== "bare") await check(page, `account-picture-refused-${look}`);
      await choose(page, cutOff());
      await page.getByRole("alert").getByText("This picture cannot be read").waitFor();

      await choose(page, picture("me.png", "smptebars"));
      await page.getByText("This is how others see you from now on.").waitFor();
      const first = await shown(page, page.locator("h1 img.face"));
      if (look !== "bare") await check(page, `account-picture-${look}`);
      await page.goto(`${url}/watch/${video.id}`);
      await page.getByLabel("Say something").fill(`Here I am, ${look}`);
      await page.getByRole("button", { name: "Post" }).click();
      const said = page.locator(".comment", { hasText: `Here I am, ${look}` });
      assert.equal(await shown(page, said.locator("img.face").first()), first);
      await page.goto(`${url}/u/${name}`);
      assert.equal(await shown(page, page.locator("h1 img.face")), first);
      if (look !== "bare") await check(page, `channel-own-${look}`);

      await page.goto(`${url}/account`);
      await choose(page, picture("me.webp", "rgbtestsrc"));
      await page.getByText("This is how others see you from now on.").waitFor();
      assert.notEqual(await shown(page, page.locator("h1 img.face")), first, "another picture has another address");
      assert.equal((await page.request.get(new URL(first, url).href)).status(), 404, "the one before is gone");
      await page.getByRole("button", { name: "Show no picture" }).click();
      await page.getByText("You show no picture any more.").waitFor();
      await page.goto(`${url}/watch/${video.id}`);
      await said.getByRole("link", { name: `More about what ${name} says` }).click();
      await page.getByRole("button", { name: "Delete this comment" }).click();
      await close();
    });
  }

  test("somebody chooses letters", async () => {
    const { url, newPage } = await platform();
    const { page, close } = await newPage(LOOKS.bare);
    await signUp(page, url, "frida-letters");
    await page.goto(`${url}/account#letters`);
    assert.ok(await page.getByLabel("somebody answers me").isChecked());
    await page.getByLabel("somebody answers me").uncheck();
    await page.getByRole("group", { name: "Write to me when" }).locator("xpath=..").getByRole("button", { name: "Save" }).click();
    await page.getByText("You get the letters that you have chosen, and no others.").waitFor();
    assert.ok(!(await page.getByLabel("somebody answers me").isChecked()));
    assert.ok(await page.getByLabel("a video of mine is ready").isChecked());
    await close();
  });
});

async function choose(page, file) {
  await page.getByLabel("Choose a picture").setInputFiles(file);
  await page.getByRole("button", { name: "Show this picture" }).click();
}

/** The address of a picture that is there, and square. */
async function shown(page, image) {
  const path = await image.getAttribute("src");
  const answer = await page.request.get(new URL(path, page.url()).href);
  assert.deepEqual([answer.status(), answer.headers()["content-type"]], [200, "image/jpeg"]);
  const bytes = await answer.body();
  const frame = bytes.indexOf(Buffer.from([0xff, 0xc0]));
  assert.deepEqual([bytes.readUInt16BE(frame + 5), bytes.readUInt16BE(frame + 7)], [256, 256]);
  return path;
}

function picture(name, source) {
  const path = join(artifacts, name);
  execFileSync("ffmpeg", ["-v", "error", "-y", "-f", "lavfi", "-i", `${source}=size=640x360`, "-frames:v", "1", path]);
  return path;
}

function notPicture() {
  const path = join(artifacts, "not-a-picture.jpg");
  writeFileSync(path, '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>');
  return path;
}

function cutOff() {
  const path = join(artifacts, "cut-off.png");
  writeFileSync(path, Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]));
  return path;
}
