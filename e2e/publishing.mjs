// Videos that tests send as somebody, without a page.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { accessToken } from "./account.mjs";

/** Sends a file as an account, and answers the id of the video. */
export async function upload(url, file, title, account) {
  const form = new FormData();
  form.set("title", title);
  form.set("video", new Blob([readFileSync(file)]), "clip.mp4");
  const headers = { authorization: `Bearer ${await accessToken(url, account)}` };
  const answer = await fetch(`${url}/api/v3/vod/initiate-task/upload/`, { method: "POST", headers, body: form });
  return (await answer.json()).data.video_id;
}

/** Follows the process of a video to its end. */
export async function ended(url, video) {
  const { process } = await (await fetch(`${url}/api/v5/videos/${video}`)).json();
  // The stream ends with the last event.
  await (await fetch(`${process}/events`)).text();
}

/** Sends JSON, or nothing, as an account, and answers what is answered. */
export async function ask(url, account, method, path, body) {
  const headers = { authorization: `Bearer ${await accessToken(url, account)}` };
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(`${url}${path}`, { method, headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
  const text = await answer.text();
  return text === "" ? undefined : JSON.parse(text);
}
