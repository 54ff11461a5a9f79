// Firefox, asked through WebDriver BiDi, which it speaks itself: https://w3c.github.io/webdriver-bidi/

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import WebSocket from "ws";

const PROGRAMS = ["/usr/bin/firefox-esr", "/usr/bin/firefox"];

/** What would ask other hosts, or ask people. */
const QUIET = {
  "app.normandy.enabled": false,
  "app.update.disabledForTesting": true,
  "browser.aboutConfig.showWarning": false,
  "browser.newtabpage.enabled": false,
  "browser.safebrowsing.downloads.enabled": false,
  "browser.safebrowsing.malware.enabled": false,
  "browser.safebrowsing.phishing.enabled": false,
  "browser.shell.checkDefaultBrowser": false,
  "browser.startup.page": 0,
  "datareporting.policy.dataSubmissionEnabled": false,
  "extensions.getAddons.cache.enabled": false,
  "extensions.update.enabled": false,
  "media.gmp-manager.updateEnabled": false,
  "network.captive-portal-service.enabled": false,
  "network.connectivity-service.enabled": false,
  "services.settings.server": "data:,",
  "toolkit.telemetry.enabled": false,
};

/** How long anything may take that a test waits for. */
const PATIENCE_MS = 30_000;

/**
 * Starts it with a profile of its own: `{ version, open, find, click, evaluate, until, close }`. `close` fails when a
 * page asked a host beside `url`, logged an error or threw.
 */
export async function firefox(url) {
  const profile = mkdtempSync(join(tmpdir(), "cutetube-firefox-"));
  const lines = Object.entries(QUIET).map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});`);
  writeFileSync(join(profile, "user.js"), lines.join("\n"));
  const words = ["--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"];
  const child = spawn(PROGRAMS.find((path) => existsSync(path)) ?? "firefox", words, {
    env: { ...process.env, HOME: profile },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stopped = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    await stopped;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const session = await connect(await address(child, stopped));
    return await browse(session, url, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Where it listens: it says so once it does. */
function address(child, stopped) {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    createInterface({ input: child.stderr }).on("line", (line) => {
      const listening = /WebDriver BiDi listening on (ws:\S+)/.exec(line);
      if (listening !== null) resolve(`${listening[1]}/session`);
    });
    stopped.then((code) => reject(new Error(`Firefox ended (${code}) before it listened`)));
  });
}

/** `{ send, on }`: commands with their answers, and what it tells by itself. */
async function connect(address) {
  const socket = new WebSocket(address);
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
  const waiting = new Map();
  const listeners = new Map();
  let last = 0;
  socket.on("message", (bytes) => {
    const { id, type, method, params, result, error, message } = JSON.parse(bytes);
    if (type === "event") return listeners.get(method)?.(params);
    const { resolve, reject } = waiting.get(id) ?? {};
    waiting.delete(id);
    if (type === "success") resolve?.(result);
    else reject?.(new Error(`${error}: ${message}`));
  });
  socket.on("close", () => {
    for (const { reject } of waiting.values()) reject(new Error("Firefox has gone"));
  });
  const send = (method, params = {}) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params }));
    });
  return { send, on: (event, listener) => listeners.set(event, listener) };
}

async function browse({ send, on }, url, stop) {
  const complaints = [];
  on("log.entryAdded", ({ level, text }) => {
    if (level === "error") complaints.push(`logged: ${text}`);
  });
  on("network.beforeRequestSent", ({ request }) => {
    if (!request.url.startsWith(url) && !/^(blob|data|about):/.test(request.url)) complaints.push(`asked another host: ${request.url}`);
  });
  const { capabilities } = await send("session.new", { capabilities: {} });
  const [{ context }] = (await send("browsingContext.getTree")).contexts;
  await send("session.subscribe", { events: ["log.entryAdded", "network.beforeRequestSent"], contexts: [context] });

  /** What a function answers on the page: something that JSON can say. */
  const evaluate = async (asked) => {
    const expression = `Promise.resolve((${asked})()).then(JSON.stringify)`;
    const params = { expression, target: { context }, awaitPromise: true };
    const { type, result, exceptionDetails } = await send("script.evaluate", params);
    if (type === "exception") throw new Error(exceptionDetails.text);
    return result.value === undefined ? undefined : JSON.parse(result.value);
  };
  const until = async (asked, what) => {
    for (const begun = Date.now(); Date.now() - begun < PATIENCE_MS; ) {
      const answer = await evaluate(asked);
      if (answer) return answer;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`waited in vain: ${what}`);
  };
  const open = (path) => send("browsingContext.navigate", { context, url: url + path, wait: "complete" });

  /** The element that people know by this role and name, once it is there. */
  const find = async (role, name) => {
    const locator = { type: "accessibility", value: { role, name } };
    for (const begun = Date.now(); Date.now() - begun < PATIENCE_MS; ) {
      const { nodes } = await send("browsingContext.locateNodes", { context, locator });
      if (nodes.length > 0) return nodes[0];
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    throw new Error(`there is no ${role} "${name}"`);
  };
  const click = async (role, name) => {
    const { sharedId } = await find(role, name);
    const origin = { type: "element", element: { sharedId } };
    const steps = [
      { type: "pointerMove", x: 0, y: 0, origin },
      { type: "pointerDown", button: 0 },
      { type: "pointerUp", button: 0 },
    ];
    await send("input.performActions", { context, actions: [{ type: "pointer", id: "mouse", actions: steps }] });
  };
  const screenshot = async () => Buffer.from((await send("browsingContext.captureScreenshot", { context })).data, "base64");
  const close = async () => {
    await stop();
    if (complaints.length > 0) throw new Error(complaints.join("\n"));
  };
  return { version: capabilities.browserVersion, open, find, click, evaluate, until, screenshot, close };
}
