// make demo: starts the platform on ./data, publishes a video, prints where it plays, and serves until Ctrl-C.

import { spawn } from "node:child_process";
import { mkdirSync } from "node:fs";
import { createServer } from "node:net";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { startServer } from "./server.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const program = resolve(root, process.env.CARGO_TARGET_DIR ?? "target", "release/cutetube");
const data = resolve(root, "data");
const log = resolve(data, "demo.log");
const video = resolve(process.argv[2] ?? resolve(root, "samples/bigbuckbunny-720p.mp4"));
// Known to everybody, so the demo listens where nobody else can reach it.
const account = { CUTETUBE_CREDENTIAL: "demo", CUTETUBE_PASSWORD: "cutetube-demo" };

/** The port everybody expects, else any that is free. */
function freeAddress(port) {
  return new Promise((settle) => {
    const probe = createServer();
    probe.once("error", () => settle("127.0.0.1:0"));
    probe.listen(port, "127.0.0.1", () => probe.close(() => settle(`127.0.0.1:${port}`)));
  });
}

function publish(url) {
  const words = ["publish", video, "--server", url, "--sign-up", "demo@cutetube.example", "--wait"];
  const child = spawn(program, words, { env: { ...process.env, ...account }, stdio: "inherit" });
  return new Promise((settle, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => settle(code === 0));
  });
}

mkdirSync(data, { recursive: true });
const server = await startServer({ program, data, listen: await freeAddress(8080), log });
// Ctrl-C reaches the server as well; this process stays until the server has ended.
let stopping = false;
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    stopping = true;
    void server.stop();
  });
}

console.log(`CuteTube runs on ${server.url} (log: ${log})`);
console.log(`publishing ${video}`);
const published = await publish(server.url);
if (published) {
  console.log(`\nOpen the address after "watch". Log in as ${account.CUTETUBE_CREDENTIAL} with the password`);
  console.log(`${account.CUTETUBE_PASSWORD} to upload more. Ctrl-C stops; the next \`make demo\` goes on with ./data.`);
  await server.stopped;
} else {
  await server.stop();
  if (!stopping) process.exitCode = 1;
}
