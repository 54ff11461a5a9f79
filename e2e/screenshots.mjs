// Pictures of the pages for the README and the guide: `make screenshots`. A server on a folder of its own, made-up videos,
// each page light and dark.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { accessToken, signIn } from "./account.mjs";
import { account, administrator, emptyPlatform, film, publish, root } from "./platform.mjs";
import { frames, seek } from "./video.mjs";

const SHELF = join(root, "docs/screenshots");
const SECONDS = 12;

const waves = (from, to, light) => `gradients=s=1280x720:c0=${from}:c1=${to}:c2=${light}:nb_colors=3:speed=0.02`;

/** Title, what the picture shows, and what is said about it. */
const VIDEOS = [
  ["Season review", waves("0x10451d", "0x6ede8a", "0xfff3b0"), "All goals of the season.", "football, club"],
  ["Colour, from eye to screen", "testsrc2=s=1280x720", "Why three lamps are enough.", "physics"],
  ["Coast of the Mandelbrot set", "mandelbrot=s=1280x720:maxiter=300:end_scale=0.02:start_scale=1.6", "How long is a coast?", "mathematics"],
  [
    "Game of Life, explained",
    "life=s=320x180:mold=12:ratio=0.12:death_color=#38304d:life_color=#f9c74f,scale=1280:720:flags=neighbor",
    "Four rules, and what grows from them.",
    "mathematics, computing",
  ],
  ["The rule of thirds", waves("0x3d0c11", "0xd80032", "0xf9dec9"), "Where to put the horizon.", "photography"],
  [
    "Waves on a string",
    waves("0x0b2545", "0x13a89e", "0xf2a65a"),
    "What a wave is, shown with a string.\n\n0:00 What moves\n0:03 Crests and troughs\n0:06 Two waves meet\n0:09 Questions",
    "physics, school",
  ],
];

const CAPTIONS = `WEBVTT

00:00.500 --> 00:03.000
A wave moves along the string.

00:03.000 --> 00:06.000
The string itself only goes up and down.

00:06.000 --> 00:11.500
Where two crests meet, they add up.
`;

/** Name, path, who looks if somebody has to have signed in, and what is done before the picture is taken. */
const pages = (video) => [
  { name: "home", path: "/", who: account },
  { name: "search", path: "/search?q=crest", who: account },
  { name: "watch", path: `/watch/${video}`, who: account, before: played },
  { name: "channel", path: `/u/${account.username}`, who: account },
  { name: "upload", path: "/upload", who: account, before: chosen },
  { name: "studio", path: "/studio", who: account },
  { name: "studio-video", path: `/studio/${video}`, who: account },
  { name: "studio-poster", path: `/studio/${video}/poster`, who: account },
  { name: "studio-captions", path: `/studio/${video}/captions`, who: account },
  { name: "studio-processing", path: `/studio/${video}/processing`, who: account },
  { name: "studio-statistics", path: `/studio/${video}/statistics`, who: account },
  { name: "account", path: "/account", who: account },
  { name: "log-in", path: "/login" },
  { name: "sign-up", path: "/signup" },
  { name: "administration", path: "/admin", who: administrator },
  { name: "jobs", path: "/admin/jobs", who: administrator },
  { name: "quality", path: "/admin/quality", who: administrator },
  { name: "storage", path: "/admin/storage", who: administrator },
  { name: "people", path: "/admin/users", who: administrator },
  { name: "moderation", path: "/admin/comments", who: administrator },
  { name: "configuration", path: "/admin/configuration", who: administrator },
];

/** Those that are also shown as a phone has them. */
const ON_PHONES = ["home", "watch", "upload", "studio"];

async function played(page) {
  await page.getByRole("button", { name: "Play", exact: true }).first().click();
  await frames(page, 12);
  await page.evaluate(() => document.querySelector("video").pause());
  await page.evaluate(() => {
    const player = document.querySelector("video").ui.getControls().getPlayer();
    player.selectTextTrack(player.getTextTracks()[0]);
  });
  await seek(page, 7);
  await page.getByText("they add up").first().waitFor();
  // Nothing has the focus, or a word beside it.
  await page.mouse.move(0, 0);
  await page.evaluate(() => document.activeElement.blur());
}

/** Two files, before they are sent. */
async function chosen(page) {
  const files = ["Standing waves.mp4", "Two strings.mov"].map((name) => ({ name, mimeType: "video/mp4", buffer: Buffer.alloc(1 << 20) }));
  await page.getByLabel("Video", { exact: true }).setInputFiles(files);
  await page.getByLabel("Title").last().waitFor();
}

async function caption(url, token, id) {
  const headers = { authorization: `Bearer ${token}` };
  const captions = `${url}/api/v5/videos/${id}/captions`;
  await fetch(`${captions}/en`, { method: "PUT", headers, body: CAPTIONS });
  while (!(await (await fetch(captions)).json())[0]?.shown);
}

async function ask(url, token, path, body, method = "POST") {
  const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
  const answer = await fetch(`${url}/api/v5/${path}`, { method, headers, body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? undefined : answer.json();
}

/** A dozen people who watch ever less of it, a comment with an answer, and somebody who objects. */
async function peopled(url, id) {
  const [owner, other] = [await accessToken(url, account), await accessToken(url, administrator)];
  for (let person = 0; person < 12; person += 1) {
    const parts = Array.from({ length: 50 - 3 * person }, (_, part) => part);
    await ask(url, owner, `videos/${id}/audience`, { begins: true, played_ms: parts.length * 240, parts });
  }
  const question = await ask(url, other, `videos/${id}/comments`, { text: "At 0:06, why do the crests add up?" });
  await ask(url, owner, `videos/${id}/comments`, { text: "Because the string is stretched by both at once.", reply_to: question.id });
  const advert = await ask(url, other, `videos/${id}/comments`, { text: "Buy strings, cheap!" });
  await ask(url, owner, `comments/${advert.id}/report`, { reason: "Advertisement" });
}

/** Takes the pages that this one sees, or nobody in particular. */
async function take(url, newPage, video, who, suffix, options, shown) {
  const { page, close } = await newPage(options);
  if (who !== undefined) await signIn(page, url, who);
  for (const { name, path, before } of pages(video).filter((page) => page.who === who && shown(page.name))) {
    await page.goto(`${url}${path}`, { waitUntil: "load" });
    await page.evaluate(() => Promise.all([...document.images].map((image) => image.decode().catch(() => undefined))));
    await before?.(page);
    await page.screenshot({ path: join(SHELF, `${name}-${suffix}.jpg`), type: "jpeg", quality: 80 });
    console.log(`took ${name}, ${suffix}`);
  }
  await close();
}

const { url, newPage, stop } = await emptyPlatform();
try {
  mkdirSync(SHELF, { recursive: true });
  let last;
  for (const [index, [title, picture, description, tags]] of VIDEOS.entries()) {
    last = await publish(url, await film(`${index}.mp4`, SECONDS, picture), title);
    await ask(url, await accessToken(url, account), `videos/${last.id}`, { description, tags: tags.split(", ") }, "PATCH");
    console.log(`published ${title}`);
  }
  await caption(url, await accessToken(url, account), last.id);
  await peopled(url, last.id);
  for (const colorScheme of ["light", "dark"]) {
    for (const who of [undefined, account, administrator]) {
      await take(url, newPage, last.id, who, colorScheme, { colorScheme, viewport: { width: 1280, height: 800 } }, () => true);
    }
  }
  const phone = { colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, hasTouch: true };
  await take(url, newPage, last.id, account, "phone", phone, (name) => ON_PHONES.includes(name));
} finally {
  await stop();
}
