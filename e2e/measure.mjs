// What pages weigh and how long a video takes to start, as tables for bench/RESULTS.md: `node e2e/measure.mjs`, with
// PROGRAM=target/release/cutetube.

import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { signIn } from "./account.mjs";
import { account, administrator, platform, root, shutDown } from "./platform.mjs";

const ROUNDS = 5;
const PLAYER = /\/player-?[^/]*\.(js|css)/;

/** Path, and who looks. */
const pages = (video) => [
  ["/", undefined],
  ["/search?q=clip", undefined],
  [`/u/${account.username}`, undefined],
  ["/login", undefined],
  ["/signup", undefined],
  [`/watch/${video}`, undefined],
  ["/upload", account],
  ["/studio", account],
  [`/studio/${video}`, account],
  [`/studio/${video}/poster`, account],
  [`/studio/${video}/captions`, account],
  [`/studio/${video}/statistics`, account],
  [`/studio/${video}/processing`, account],
  ["/account", account],
  ["/admin", administrator],
  ["/admin/jobs", administrator],
  ["/admin/quality", administrator],
  ["/admin/storage", administrator],
  ["/admin/users", administrator],
  ["/admin/comments", administrator],
  ["/admin/configuration", administrator],
];

/** Bytes of scripts and styles as they travel, without a cache: of the page's own, and of the player. */
async function weight(newPage, url, path, who) {
  const { page, context } = await newPage();
  if (who !== undefined) await signIn(page, url, who);
  const network = await context.newCDPSession(page);
  await network.send("Network.enable");
  await network.send("Network.setCacheDisabled", { cacheDisabled: true });
  const assets = new Map();
  const sum = { own: 0, player: 0 };
  network.on("Network.responseReceived", ({ requestId, response, type }) => {
    if (type === "Script" || type === "Stylesheet") assets.set(requestId, PLAYER.test(response.url) ? "player" : "own");
  });
  network.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
    const kind = assets.get(requestId);
    if (kind !== undefined) sum[kind] += encodedDataLength;
  });
  // A stream of events never ends, so this is not the idle network: modules are there at `load`, but for the player.
  await page.goto(url + path, { waitUntil: "load" });
  if ((await page.locator("[data-dash]").count()) > 0) await page.locator(".shaka-controls-button-panel").first().waitFor({ state: "attached" });
  await context.close();
  return sum;
}

/** Milliseconds from the navigation to the first picture, in a browser that has seen nothing before. */
async function start(newPage, address) {
  const { page, context } = await newPage({ viewport: { width: 1280, height: 800 } });
  await page.addInitScript(() => {
    const watch = (video) => {
      video.requestVideoFrameCallback((now) => (window.firstPicture = now));
      const play = () => {
        video.muted = true;
        void video.play();
      };
      if (video.readyState > 0) play();
      else video.addEventListener("loadedmetadata", play, { once: true });
    };
    new MutationObserver((_, observer) => {
      const video = document.querySelector("video");
      if (video === null) return;
      observer.disconnect();
      watch(video);
    }).observe(document, { childList: true, subtree: true });
  });
  await page.goto(address);
  const picture = await page.waitForFunction(() => window.firstPicture);
  const milliseconds = await picture.jsonValue();
  await context.close();
  return milliseconds;
}

/** Shaka Player and nothing else, as its own tutorial has it. */
function barePage(manifest) {
  const script = readFileSync(join(root, "web/node_modules/shaka-player/dist/shaka-player.compiled-es2021.js"));
  const page = `<!doctype html><title>Shaka</title><video></video><script src="/shaka.js"></script><script>
    (async () => {
      const player = new shaka.Player();
      await player.attach(document.querySelector("video"));
      await player.load(${JSON.stringify(manifest)});
    })();
  </script>`;
  const server = createServer(({ url }, response) => {
    const [type, body] = url === "/shaka.js" ? ["text/javascript", script] : ["text/html", page];
    response.writeHead(url === "/favicon.ico" ? 204 : 200, { "content-type": type }).end(url === "/favicon.ico" ? "" : body);
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve({ server, url: `http://127.0.0.1:${server.address().port}/` })));
}

const median = (numbers) => [...numbers].sort((one, other) => one - other)[numbers.length >> 1];
const kilobytes = (bytes) => (bytes / 1000).toFixed(1);

try {
  const { url, video, newPage } = await platform();
  console.log("| page | own JavaScript and CSS, kB | player, kB |\n| --- | --- | --- |");
  for (const [path, who] of pages(video.id)) {
    const { own, player } = await weight(newPage, url, path, who);
    console.log(`| ${path.replace(video.id, "{id}")} | ${kilobytes(own)} | ${player === 0 ? "" : kilobytes(player)} |`);
  }

  const watch = `${url}/watch/${video.id}`;
  const { page, close } = await newPage();
  await page.goto(watch);
  const manifest = new URL(await page.locator("[data-dash]").getAttribute("data-dash"), url).href;
  await close();
  const bare = await barePage(manifest);
  const open = (options) => newPage({ ...options, others: [bare.url] });
  const measured = { watch: [], bare: [] };
  for (let round = 0; round <= ROUNDS; round += 1) {
    const times = { watch: await start(open, watch), bare: await start(open, bare.url) };
    // The first round warms the server and the disk.
    if (round > 0) for (const [name, time] of Object.entries(times)) measured[name].push(time);
  }
  bare.server.close();
  console.log("\n| page | first picture, ms, median | least | most |\n| --- | --- | --- | --- |");
  for (const [name, times] of Object.entries(measured)) {
    console.log(`| ${name} | ${median(times).toFixed(0)} | ${Math.min(...times).toFixed(0)} | ${Math.max(...times).toFixed(0)} |`);
  }
  console.log(`\nratio, median of the rounds: ${median(measured.watch.map((time, round) => time / measured.bare[round])).toFixed(2)}`);
} finally {
  await shutDown();
}
