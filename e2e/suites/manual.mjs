// The commands of docs/api.md, run as they are written.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { platform } from "../platform.mjs";

const run = promisify(execFile);

describe("the manual", () => {
  test("the walk of docs/api.md arrives", async () => {
    const { url, clip } = await platform();
    const text = readFileSync(new URL("../../docs/api.md", import.meta.url), "utf8");
    const blocks = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].map(([, block]) => block);
    assert.ok(blocks.length > 5);
    // Said before each command, so that a failure shows where it happened.
    const script = `set -euxo pipefail\n${blocks.join("\n")}`;
    await run("bash", ["-c", script], { env: { ...process.env, SERVER: url, VIDEO: clip }, timeout: 180_000 });
  });
});
