// One platform for all browser tests: a server on a folder of its own, a browser with a profile of its own, and a
// published video. Everything ends with the tests, by its own handle.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";
import { startServer } from "../scripts/server.mjs";

export const root = fileURLToPath(new URL("..", import.meta.url));
const program = resolve(root, process.env.PROGRAM ?? join(process.env.CARGO_TARGET_DIR ?? "target", "debug/cutetube"));
export const artifacts = join(root, "e2e/artifacts");

/** Manages everything. */
export const administrator = { username: "edith", email: "edith@example.org", password: "correct horse" };

/** How long the clip is that every suite plays. */
export const clipSeconds = 12;

/** Frames of it in a second. */
export const clipRate = 24;

export const account = { username: "ada", email: "ada@example.org", password: "correct horse" };

const BROWSERS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const BROWSER_WORDS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
];

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), "cutetube-e2e-"));
let started;

/** A server without a video, and a browser: `{ url, stop, newPage }`. */
export async function emptyPlatform() {
  mkdirSync(artifacts, { recursive: true });
  const server = await serve("data");
  const browser = await chromium.launch({
    executablePath: BROWSERS.find((path) => existsSync(path)),
    args: BROWSER_WORDS,
  });
  const stop = async () => {
    await browser.close();
    await server.stop();
  };
  try {
    const { username, email, password } = administrator;
    const words = ["user", "add", username, "--email", email, "--role", "admin", "--data", join(folder, "data")];
    await run(program, words, { env: { ...process.env, CUTETUBE_PASSWORD: password } });
    return { url: server.url, stop, newPage: (options) => newPage(browser, server.url, options) };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Starts on first use: `{ url, clip, video, newPage, stop }`; `video` is published, `clip` a file to upload. */
export function platform() {
  started ??= start();
  return started;
}

/** Ends whatever was started. */
export async function shutDown() {
  if (started !== undefined) await (await started.catch(() => undefined))?.stop();
  rmSync(folder, { recursive: true, force: true });
}

/** Starts a server on a data folder of this name; a test that starts one ends it. */
export function serve(name, listen = "127.0.0.1:0") {
  return startServer({
    program,
    data: join(folder, name),
    listen,
    log: join(artifacts, "server.log"),
    environment: { CUTETUBE_LIMITS__RATE: "off" },
  });
}

async function start() {
  const empty = await emptyPlatform();
  try {
    const clip = await makeClip("clip.mp4", clipSeconds);
    const video = await publish(empty.url, clip, "A clip with <markup> & more");
    return { ...empty, clip, video };
  } catch (error) {
    await empty.stop();
    throw error;
  }
}

/** A picture that changes in every frame, large enough for two rungs, with a tone. */
function makeClip(name, seconds) {
  return film(name, seconds, `testsrc2=size=854x480:rate=${clipRate}`);
}

/** A file with this picture, a source of ffmpeg's, and a tone. */
export async function film(name, seconds, picture) {
  const clip = join(folder, name);
  const input = (source) => ["-f", "lavfi", "-t", String(seconds), "-i", source];
  const encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-g", "48"];
  await run("ffmpeg", [
    ...["-v", "error", "-y", ...input(picture), ...input("sine=frequency=440")],
    ...[...encoder, "-c:a", "aac", "-ac", "2", clip],
  ]);
  return clip;
}

/** Makes a ladder in a folder of its own, with these further words, and answers where it is. */
export async function transcode(clip, name, words) {
  const out = join(folder, name);
  await run(program, ["transcode", clip, "--out", out, "--preset", "superfast", ...words]);
  return out;
}

/** Publishes with the program's own command, as a new account, and answers what `/api/v5` says in the end. */
export async function publish(url, file, title) {
  const words = ["publish", file, "--server", url, "--title", title, "--sign-up", account.email, "--wait"];
  const environment = { CUTETUBE_CREDENTIAL: account.username, CUTETUBE_PASSWORD: account.password };
  const { stdout } = await run(program, words, { env: { ...process.env, ...environment } });
  const id = /\/watch\/(\S+)/.exec(stdout)?.[1];
  const answer = await fetch(`${url}/api/v5/videos/${id}`);
  return answer.json();
}

/**
 * A page in a profile of its own, and `close`, which fails when the page asked another host, logged an error or threw.
 * `others` are further origins that the test itself serves.
 */
async function newPage(browser, url, { others = [], expectedErrors = [], ...options } = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [];
  const origins = [url, ...others];
  page.on("request", (request) => {
    const address = request.url();
    const isOurs = origins.some((origin) => address.startsWith(origin)) || /^(blob|data):/.test(address);
    if (!isOurs) complaints.push(`asked another host: ${address}`);
  });
  page.on("pageerror", (error) => complaints.push(`threw: ${error.stack}`));
  page.on("console", (message) => {
    const text = message.text();
    if (message.type() === "error" && !expectedErrors.some((expected) => expected.test(text))) complaints.push(`logged: ${text}`);
  });
  const close = async () => {
    await context.close();
    if (complaints.length > 0) throw new Error(complaints.join("\n"));
  };
  return { page, context, close };
}
