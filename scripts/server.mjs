// Starts `cutetube serve` and knows where it listens. For the demo and for the browser tests.

import { spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { createInterface } from "node:readline";

/**
 * Resolves to `{ url, stopped, stop, kill }` once the server listens: its address, a promise of its exit code, and
 * functions that ask it to end, or end it, and resolve with `stopped`. What it says goes to the file `log`.
 */
export async function startServer({ program, data, listen, log, environment = {} }) {
  const child = spawn(program, ["serve", "--data", data, "--listen", listen], {
    env: { ...process.env, ...environment, NO_COLOR: "1" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const stopped = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? signal));
  });
  const stop = () => {
    child.kill("SIGTERM");
    return stopped;
  };
  const kill = () => {
    child.kill("SIGKILL");
    return stopped;
  };
  child.stderr.pipe(createWriteStream(log, { flags: "a" }));
  const url = await new Promise((resolve, reject) => {
    createInterface({ input: child.stderr }).on("line", (line) => {
      const listening = /listening on (http:\/\/\S+)/.exec(line);
      if (listening !== null) resolve(listening[1]);
    });
    stopped.then((code) => reject(new Error(`the server ended (${code}); its log is ${log}`)), reject);
  });
  return { url, stopped, stop, kill };
}
