// What people do to have an account, and to get into it.

/** Makes an account, whose password is `correct horse`. */
export async function signUp(page, url, username) {
  await page.goto(`${url}/signup`);
  await page.getByLabel("User name").fill(username);
  await page.getByLabel("E-mail address").fill(`${username}@example.org`);
  await page.getByLabel("First name").fill("Some");
  await page.getByLabel("Last name").fill("Body");
  await page.getByLabel("Password", { exact: true }).fill("correct horse");
  await page.getByLabel("Password again").fill("correct horse");
  await page.getByRole("button", { name: "Sign up" }).click();
  await page.getByRole("button", { name: "Log out" }).waitFor();
}

/** The access token of an account. */
export async function accessToken(url, { username: credential, password }) {
  const body = new URLSearchParams({ credential, password });
  const { user } = await (await fetch(`${url}/api/v3/auth/login/`, { method: "POST", body })).json();
  return user.token.access;
}

/** Fills the form that is shown, and sends it. */
export async function logIn(page, credential, password) {
  await page.getByLabel("User name or e-mail address").fill(credential);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** Goes to the page for it and logs in, and waits until that is done. */
export async function signIn(page, url, { username, password }) {
  await page.goto(`${url}/login`);
  await logIn(page, username, password);
  await page.getByRole("button", { name: "Log out" }).waitFor();
}
