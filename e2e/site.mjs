// Web servers of tests, beside the platform.

import { createReadStream } from "node:fs";
import { createServer } from "node:http";
import { fileURLToPath } from "node:url";

const module = (path) => fileURLToPath(new URL(path, import.meta.url));
export const DASHJS = module("node_modules/dashjs/dist/modern/umd/dash.all.min.js");
export const HLSJS = module("node_modules/hls.js/dist/hls.min.js");
export const SHAKA = module("../web/node_modules/shaka-player/dist/shaka-player.compiled.js");

/** Answers requests on a free port: `{ url, close }`. */
export async function site(answer) {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = () =>
    new Promise((resolve) => {
      server.close(resolve);
      server.closeAllConnections();
    });
  return { url: `http://127.0.0.1:${server.address().port}`, close };
}

/** A site of somebody else with a page `{name}.html` for each player: its library, if it needs one, and what starts it on
    the element `video`. */
export function playerSite(players) {
  return site(({ url }, response) => {
    const [, name, kind] = /^\/(\w+)\.(html|js)$/.exec(url) ?? [];
    const player = players[name];
    if (player === undefined) response.writeHead(url === "/favicon.ico" ? 204 : 404).end();
    else if (kind === "js") createReadStream(player.library).pipe(response.setHeader("content-type", "text/javascript"));
    else response.setHeader("content-type", "text/html").end(playerPage(name, player));
  });
}

function playerPage(name, { library, start }) {
  const script = library === undefined ? "" : `<script src="/${name}.js"></script>`;
  return `<!doctype html><meta charset="utf-8"><title>Elsewhere</title><video autoplay muted width="640"></video>
    ${script}<script>const video = document.querySelector("video"); ${start}</script>`;
}
