// Sends to a platform of its own what the API's description allows, and what it does not, for as long as it is told:
// `node scripts/api-fuzz.mjs [seconds]`. It fails on an answer of 5xx, and on one that the description does not know.

import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { startServer } from "./server.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const program = resolve(root, process.env.CARGO_TARGET_DIR ?? "target", "debug/cutetube");
const packages = join(root, ".setup/schemathesis");
const seconds = Number(process.argv[2] ?? 60);
// What says the same to every client is left out: what ends the token that all requests share, and streams, which end
// when a video does.
const LEFT_OUT = ["/auth/logout$", "/events$", "/api/v5/sessions", "/api/v5/me"];
const CHECKS = ["not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"];

const person = {
  username: "fuzz",
  email: "fuzz@example.org",
  password: "all monkeys type",
  password2: "all monkeys type",
  first_name: "F",
  last_name: "Uzz",
};

const folder = mkdtempSync(join(tmpdir(), "cutetube-fuzz-"));
mkdirSync(join(root, "e2e/artifacts"), { recursive: true });
const server = await startServer({
  program,
  data: join(folder, "data"),
  listen: "127.0.0.1:0",
  log: join(root, "e2e/artifacts/api-fuzz.log"),
  environment: { CUTETUBE_LIMITS__RATE: "off", CUTETUBE_ACCOUNTS__ACCESS_MINUTES: "600" },
});
try {
  await signUp();
  await promote();
  process.exitCode = await fuzz(await logIn());
} finally {
  await server.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function signUp() {
  const answer = await send("/api/v3/auth/signup/", person);
  if (answer.status_code !== 200) throw new Error(JSON.stringify(answer));
}

/** An administrator may do everything, so that everything is reached. */
function promote() {
  return run(program, ["user", "promote", person.username, "--data", join(folder, "data")]);
}

async function logIn() {
  const answer = await send("/api/v3/auth/login/", { credential: person.username, password: person.password });
  return answer.user.token.access;
}

async function send(path, body) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(`${server.url}${path}`, { method: "POST", headers, body: JSON.stringify(body) });
  return answer.json();
}

async function fuzz(token) {
  const words = ["run", `${server.url}/doc/openapi.json`, "--url", server.url, "--max-time", String(seconds)];
  words.push("--checks", CHECKS.join(","), "--header", `Authorization: Bearer ${token}`, "--continue-on-failure");
  words.push("--suppress-health-check", "all", "--request-timeout", "20", "--no-shrink", "--warnings", "off");
  words.push("--generation-database", "none", "--exclude-path-regex", LEFT_OUT.join("|"));
  return run("python3", [join(packages, "bin/schemathesis"), ...words], {
    PYTHONPATH: `${packages}:${join(root, "scripts")}`,
    PYTHONDONTWRITEBYTECODE: "1",
    SCHEMATHESIS_HOOKS: "api_fuzz_hooks",
  });
}

/** Its exit code. */
function run(command, words, environment = {}) {
  const child = spawn(command, words, { env: { ...process.env, ...environment }, stdio: "inherit", cwd: folder });
  return new Promise((settle, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => settle(code ?? 1));
  });
}
