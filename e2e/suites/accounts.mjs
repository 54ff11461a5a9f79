// Accounts: signing up, getting back in with a letter, changing what is one's own, administering others.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { logIn, signUp } from "../account.mjs";
import { administrator, artifacts, platform } from "../platform.mjs";
import { check } from "./pages.mjs";

const REFUSED = /status of 4(00|22)/;
const LOOKS = {
  wide: { viewport: { width: 1280, height: 800 }, colorScheme: "light" },
  phone: { viewport: { width: 360, height: 640 }, colorScheme: "dark" },
};

describe("accounts", () => {
  for (const [look, options] of Object.entries(LOOKS)) {
    // Without scripts the code of the letter is typed.
    const javaScriptEnabled = look === "wide";
    test(`somebody signs up, forgets the password, and gets back in with a letter, ${look}`, async () => {
      const { url, newPage } = await platform();
      const { page, close } = await newPage({ ...options, javaScriptEnabled, expectedErrors: [REFUSED] });
      const name = `mary-${look}`;
      await signUp(page, url, name);
      await confirm(page, url, await link(name, "verify"), javaScriptEnabled);
      await page.getByRole("button", { name: "Confirm" }).click();
      await page.getByText("Your address is confirmed.").waitFor();

      await page.goto(`${url}/forgot`);
      await page.getByLabel("E-mail address of your account").fill(`${name}@example.org`);
      if (javaScriptEnabled) await check(page, `forgot-${look}`);
      await page.getByRole("button", { name: "Send me a link" }).click();
      await page.getByText("a letter with a link is on its way").waitFor();
      await confirm(page, url, await link(name, "reset"), javaScriptEnabled);
      await page.getByLabel("New password", { exact: true }).fill("password1");
      await page.getByLabel("New password again").fill("password1");
      await page.getByRole("button", { name: "Change password" }).click();
      await page.getByRole("alert").getByText("tried first").waitFor();
      assert.notEqual(await page.getByLabel("Code from the letter").inputValue(), "", "the code is still there");
      await page.getByLabel("New password", { exact: true }).fill("another horse");
      await page.getByLabel("New password again").fill("another horse");
      if (javaScriptEnabled) await check(page, `reset-${look}`);
      await page.getByRole("button", { name: "Change password" }).click();
      await page.getByText("Your password is changed").waitFor();

      await page.goto(`${url}/account`);
      assert.equal(new URL(page.url()).pathname, "/login", "every sign-in has ended");
      await logIn(page, name, "another horse");
      await page.waitForURL(`${url}/account`);
      await page.getByText("confirmed", { exact: true }).waitFor();
      await close();
    });

    test(`an account is looked at and changed, ${look}`, async () => {
      const { url, newPage } = await platform();
      const { page, close } = await newPage({ ...options, expectedErrors: [REFUSED] });
      await signUp(page, url, `nell-${look}`);
      await page.goto(`${url}/account`);
      await check(page, `account-${look}`);
      await page.getByLabel("What it is for").fill("The build server");
      await page.getByLabel("read: see what only you may see").check();
      await page.getByRole("button", { name: "Make a token" }).click();
      const secret = await page.locator("pre").textContent();
      const answer = await fetch(`${url}/api/v5/me`, { headers: { authorization: `Bearer ${secret}` } });
      assert.equal((await answer.json()).username, `nell-${look}`);
      await check(page, `account-token-${look}`);
      await page.getByRole("button", { name: "End this token" }).click();
      await page.getByText("That token is refused from now on.").waitFor();

      const password = page.getByRole("region", { name: "Password" });
      await password.getByLabel("Present password").fill("wrong horse");
      await password.getByLabel("New password", { exact: true }).fill("another horse");
      await password.getByLabel("New password again").fill("another horse");
      await password.getByRole("button", { name: "Change password" }).click();
      await password.getByRole("alert").waitFor();

      await page.locator("#delete-password").fill("correct horse");
      await page.getByLabel("Delete my account and all my videos.").check();
      await page.getByRole("button", { name: "Delete account" }).click();
      await page.getByRole("link", { name: "Log in" }).waitFor();
      await close();
    });

    test(`an administrator finds people, decides about one and invites others, ${look}`, async () => {
      const { url, newPage } = await platform();
      const visitor = await newPage(options);
      await signUp(visitor.page, url, `otto-${look}`);
      await visitor.close();
      const { page, close } = await newPage({ ...options, expectedErrors: [REFUSED] });
      await page.goto(`${url}/login?next=/admin/users`);
      await logIn(page, administrator.username, administrator.password);
      await page.waitForURL(/\/admin\/users/);
      await check(page, `people-${look}`);
      await page.getByLabel("User name or address has").fill(`OTTO-${look}`);
      await page.getByRole("button", { name: "Find" }).click();
      await page.getByRole("link", { name: `otto-${look}` }).click();
      await check(page, `person-${look}`);
      await page.getByLabel("Videos", { exact: true }).fill("three");
      await page.getByRole("button", { name: "Set quota" }).click();
      await page.getByRole("alert").waitFor();
      await page.getByLabel("Videos", { exact: true }).fill("3");
      await page.getByRole("button", { name: "Set quota" }).click();
      await page.getByText("0 of 3").waitFor();
      await page.getByRole("button", { name: "Suspend" }).click();
      await page.getByText("suspended", { exact: true }).waitFor();
      await page.getByRole("button", { name: "Restore" }).click();
      await page.getByText("active", { exact: true }).waitFor();
      await page.goto(`${url}/admin/users`);
      await page.getByLabel("Whom or what it is for").fill(`The film club, ${look}`);
      await page.getByRole("button", { name: "Invite" }).click();
      assert.match(await page.locator("pre").textContent(), /\/signup#[\w-]{43}$/);
      await close();
    });
  }
});

/** Opens a letter's link; without scripts its code is typed. */
async function confirm(page, url, path, javaScriptEnabled) {
  await page.goto(`${url}${path}`);
  const code = page.getByLabel("Code from the letter");
  if (!javaScriptEnabled) await code.fill(path.split("#")[1]);
  assert.equal(await code.inputValue(), path.split("#")[1]);
  if (javaScriptEnabled) assert.equal(new URL(page.url()).hash, "", "the code is gone from the address");
}

/** The path of the link that the newest letter to somebody has, from the log: there is no mail server. */
async function link(username, page) {
  const pattern = new RegExp(`the letter to .${username}@example\\.org. has this link: \\S*?(/${page}#[\\w-]+)`, "g");
  for (let tries = 0; tries < 300; tries += 1) {
    const found = [...readFileSync(join(artifacts, "server.log"), "utf8").matchAll(pattern)].at(-1);
    if (found !== undefined) return found[1];
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`no letter leads ${username} to /${page}`);
}
