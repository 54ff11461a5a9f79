// A client of the original's API, versions 1 to 4: it knows the shapes and nothing of this program.
//
// Each step sends what a client of then sends, and compares the answer member by member.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { basename } from "node:path";
import { describe, test } from "node:test";
import { platform } from "../platform.mjs";

const person = {
  username: "grace.hopper",
  email: "grace.hopper@example.org",
  password: "nanoseconds are long",
  password2: "nanoseconds are long",
  first_name: "Grace",
  last_name: "Hopper",
};
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

describe("the original's API", () => {
  test("signs up with JSON and with a form, and names each field that is wrong", async () => {
    const { url } = await platform();
    const signUp = (body) => ask(`${url}/api/v3/auth/signup/`, post(body));
    signedIn(await signUp(person));
    signedIn(await signUp(new URLSearchParams({ ...person, username: "grace2", email: "grace2@example.org" })));
    signedIn(await signUp(form({ ...person, username: "grace3", email: "grace3@example.org" })));

    const refused = async (change, field, sentence) => {
      const { status, body } = await signUp({ ...person, username: "nobody", email: "nobody@example.org", ...change });
      assert.equal(status, 400);
      assert.deepEqual(Object.keys(body), ["status_code", "user"]);
      assert.equal(body.status_code, 400);
      assert.equal(body.user.status, "error");
      const sentences = body.user.detail[field];
      assert.ok(Array.isArray(sentences) && sentences.length > 0, `${field}: ${JSON.stringify(body)}`);
      if (sentence !== undefined) assert.deepEqual(sentences, [sentence]);
    };
    await refused({ username: person.username }, "username");
    await refused({ email: person.email }, "email");
    await refused({ username: "x".repeat(16) }, "username", "Ensure this field has no more than 15 characters.");
    await refused({ email: `${"x".repeat(45)}@x.org` }, "email", "Ensure this field has no more than 50 characters.");
    await refused({ email: "nobody" }, "email", "Enter a valid email address.");
    await refused({ first_name: "x".repeat(36) }, "first_name", "Ensure this field has no more than 35 characters.");
    await refused({ last_name: "" }, "last_name", "This field may not be blank.");
    await refused({ password: "short", password2: "short" }, "password");
    await refused({ password2: "something else" }, "non_field_errors");
    for (const field of Object.keys(person)) await refused({ [field]: undefined }, field, "This field is required.");
  });

  test("v1: the file is sent whole, in ranges, and on condition", async () => {
    const { url, video, clip } = await platform();
    const file = await readFile(clip);
    const get = async (headers = {}, id = video.id) => {
      const answer = await fetch(`${url}/app/stream/${id}/`, { headers });
      return { status: answer.status, headers: answer.headers, body: Buffer.from(await answer.arrayBuffer()) };
    };
    const whole = await get();
    assert.equal(whole.status, 200);
    assert.equal(whole.headers.get("content-type"), "video/mp4");
    assert.equal(whole.headers.get("accept-ranges"), "bytes");
    assert.ok(whole.body.equals(file));

    const last = file.length - 1;
    for (const [range, from, to] of [
      ["bytes=0-99", 0, 99],
      ["bytes=1000-", 1000, last],
      ["bytes=-500", file.length - 500, last],
      [`bytes=${last}-${last + 1000}`, last, last],
    ]) {
      const part = await get({ range });
      assert.equal(part.status, 206, range);
      assert.equal(part.headers.get("content-range"), `bytes ${from}-${to}/${file.length}`);
      assert.ok(part.body.equals(file.subarray(from, to + 1)), range);
    }
    const beyond = await get({ range: `bytes=${file.length}-` });
    assert.equal(beyond.status, 416);
    assert.equal(beyond.headers.get("content-range"), `bytes */${file.length}`);

    const several = await get({ range: "bytes=0-1,10-12" });
    assert.equal(several.status, 206);
    const boundary = /^multipart\/byteranges; ?boundary="?([^"]+)"?$/.exec(several.headers.get("content-type"))[1];
    const parts = several.body.toString("latin1").split(`--${boundary}`).slice(1, -1);
    const contents = parts.map((part) => part.slice(part.indexOf("\r\n\r\n") + 4, -2));
    assert.deepEqual(contents, [file.toString("latin1", 0, 2), file.toString("latin1", 10, 13)]);

    const tag = whole.headers.get("etag");
    assert.equal((await get({ range: "bytes=0-1", "if-range": tag })).status, 206);
    assert.equal((await get({ range: "bytes=0-1", "if-range": '"another"' })).status, 200);
    assert.equal((await get({ "if-none-match": tag })).status, 304);
    assert.equal((await get({}, "nonsense")).status, 404);
  });

  test("v2: the manifest names segments that lie beside it", async () => {
    const { url, video } = await platform();
    const folder = `${url}/app/v2/dash/${video.id}`;
    const answer = await fetch(`${folder}/manifest.mpd`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "application/dash+xml");
    const manifest = await answer.text();
    const representations = [...manifest.matchAll(/<Representation [^>]*\bid="([^"]+)"[^>]*mimeType="(?:video|audio)|<Representation [^>]*\bid="([^"]+)"/g)];
    assert.ok(representations.length > 1, manifest);
    const templates = [...manifest.matchAll(/initialization="([^"]+)" media="([^"]+)"|media="([^"]+)" initialization="([^"]+)"/g)];
    assert.ok(templates.length > 0, manifest);
    const [, initialization, media] = templates[0];
    for (const name of [initialization, media]) assert.ok(!name.includes("/"), `${name} is not beside the manifest`);
    const id = representations[0][1] ?? representations[0][2];
    const named = (template) => template.replace("$RepresentationID$", id).replace("$Number$", "1");
    for (const [template, box] of [[initialization, "ftyp"], [media, /^(styp|sidx|moof|emsg|prft)$/]]) {
      const segment = await fetch(`${folder}/${named(template)}`);
      assert.equal(segment.status, 200, named(template));
      assert.match(Buffer.from(await segment.arrayBuffer()).toString("latin1", 4, 8), new RegExp(box));
    }
    for (const missing of ["nonsense.m4s", named(media).replace("1.m4s", "999999.m4s")]) {
      assert.equal((await fetch(`${folder}/${missing}`)).status, 404, missing);
    }
    assert.equal((await fetch(`${url}/app/v2/dash/nonsense/manifest.mpd`)).status, 404);
  });

  test("logs in by user name and by address, and tells nobody which half was wrong", async () => {
    const { url } = await platform();
    const logIn = (body) => ask(`${url}/api/v3/auth/login/`, post(body));
    const { password } = person;
    signedIn(await logIn({ credential: person.username, password }));
    signedIn(await logIn({ credential: person.email, password }));
    signedIn(await logIn(new URLSearchParams({ credential: person.username, password })));
    for (const wrong of [{ credential: person.username, password: "x" }, { credential: "nobody-at-all", password }]) {
      const { status, body } = await logIn(wrong);
      assert.equal(status, 400);
      const detail = { non_field_errors: ["Username, Email or password is incorrect"] };
      assert.deepEqual(body, { status_code: 400, user: { status: "error", detail } });
    }
    const { status, body } = await logIn({});
    assert.equal(status, 400);
    assert.deepEqual(Object.keys(body.user.detail).sort(), ["credential", "password"]);
  });

  for (const api of ["/api/v3/vod", "/api/v4/drm/vod"]) {
    test(`${api}: an upload is refused field by field, and then becomes a video that plays`, async () => {
      const { url, clip } = await platform();
      const token = await tokenOf(url);
      const file = new File([await readFile(clip)], basename(clip));
      const good = { title: "A tale", description: "Told", duration: "00:00:12", video: file };
      const upload = (fields, headers = { authorization: `Bearer ${token}` }) =>
        ask(`${url}${api}/initiate-task/upload/`, { method: "POST", headers, body: form(fields) });

      assert.equal((await upload(good, {})).status, 401);
      assert.equal((await upload(good, { authorization: "Bearer nonsense" })).status, 401);
      const wrong = {
        title: [undefined, "", "x".repeat(201)],
        duration: ["12 s", "00:00", "00:61:00", "aa:bb:cc"],
        video: [undefined, new File(["no video"], "a.mp4"), new File([file], "a.avi"), new File([], "a.mp4")],
        ...(api.includes("drm") ? { protection: ["rot13", "CBCS"] } : {}),
      };
      for (const [field, values] of Object.entries(wrong)) {
        for (const value of values) {
          const { status, body } = await upload({ ...good, [field]: value });
          assert.equal(status, 400, `${field}: ${JSON.stringify(body)}`);
          assert.deepEqual(Object.keys(body), ["data"]);
          assert.equal(body.data.status, "error");
          assert.equal(body.data.error_key, field);
          assert.ok(typeof body.data.detail === "string" && body.data.detail.length > 0);
        }
      }

      const { status, body } = await upload(api.includes("drm") ? { ...good, protection: "cbcs" } : good);
      assert.equal(status, 201, JSON.stringify(body));
      const { data } = body;
      assert.equal(data.status, "Upload Started");
      assert.match(data.video_id, UUID);
      assert.match(data.process_id, UUID);
      assert.equal(data.video_extention, ".mp4");
      assert.ok(data.video_name_without_extention.includes("clip"));

      const found = await playable(`${url}${api}/metadata/stream/${data.video_id}/`);
      assert.equal(found.title, good.title);
      assert.equal(found.description, good.description);
      assert.equal(found.custom_video_title, data.video_name_without_extention);
      assert.match(found.duration, /^00:00:1[12](\.\d{6})?$/);
      for (const name of ["mp4_s3_mpd_url", "mov_s3_mpd_url", "mp4_gcore_cdn_mpd_url", "mov_gcore_cdn_mpd_url"]) {
        assert.ok(found[name].startsWith(`${url}/`), `${name}: ${found[name]}`);
        assert.match(await (await fetch(found[name])).text(), /<MPD /);
      }

      if (api.includes("drm")) await unlocks(found, url);

      const unknown = await ask(`${url}${api}/metadata/stream/nonsense/`);
      assert.equal(unknown.status, 404);
      assert.deepEqual(unknown.body, { data: { status: "error", detail: "Video ID: 'nonsense' is invalid." } });
    });
  }

  test("lists are paged by ten", async () => {
    const { url } = await platform();
    for (const api of ["/api/v3/vod", "/api/v4/drm/vod"]) {
      const seen = new Set();
      let next = `${url}${api}/videos/all/?page=1`;
      let page = 0;
      while (next !== null) {
        page += 1;
        const { status, body } = await ask(next);
        assert.equal(status, 200);
        const { data } = body;
        assert.deepEqual(Object.keys(data), ["count", "next", "previous", "status", "data"]);
        assert.equal(data.status, "success");
        assert.ok(data.data.length <= 10);
        assert.equal(data.previous === null, page === 1);
        for (const video of data.data) seen.add(video.custom_video_title);
        if (data.next === null) assert.equal(seen.size, data.count);
        else assert.equal(data.data.length, 10);
        next = data.next;
      }
      const first = await ask(`${url}${api}/videos/all/`);
      assert.equal(first.status, 200);
      assert.equal(first.body.data.previous, null);
      for (const wrong of ["0", "-1", "x", "9999"]) {
        assert.equal((await ask(`${url}${api}/videos/all/?page=${wrong}`)).status, 404, wrong);
      }
    }
  });
});

function post(body) {
  if (body instanceof URLSearchParams || body instanceof FormData) return { method: "POST", body };
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

function form(fields) {
  const data = new FormData();
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) data.set(name, value);
  return data;
}

async function ask(address, options) {
  const answer = await fetch(address, options);
  return { status: answer.status, body: await answer.json() };
}

/** What v4 tells of a protected video is enough to get its keys. */
async function unlocks({ protection, licences, token, mp4_s3_mpd_url: manifest }, url) {
  assert.equal(protection, "cbcs");
  assert.deepEqual(Object.keys(licences), ["clearkey"]);
  assert.ok(licences.clearkey.startsWith(`${url}/`));
  assert.match(token, JWT);
  const [, id] = /cenc:default_KID="([^"]+)"/.exec(await (await fetch(manifest)).text());
  const kid = Buffer.from(id.replaceAll("-", ""), "hex").toString("base64url");
  const request = post({ kids: [kid], type: "temporary" });
  assert.equal((await ask(licences.clearkey, request)).status, 401);
  const headers = { ...request.headers, authorization: `Bearer ${token}` };
  const { status, body } = await ask(licences.clearkey, { ...request, headers });
  assert.equal(status, 200);
  assert.deepEqual([body.keys.length, body.keys[0].kid, body.type], [1, kid, "temporary"]);
  assert.equal(Buffer.from(body.keys[0].k, "base64url").length, 16);
}

function signedIn({ status, body }) {
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual(Object.keys(body), ["status_code", "user"]);
  assert.equal(body.status_code, 200);
  assert.deepEqual(Object.keys(body.user), ["status", "token"]);
  assert.equal(body.user.status, "success");
  assert.deepEqual(Object.keys(body.user.token), ["refresh", "access"]);
  for (const token of Object.values(body.user.token)) assert.match(token, JWT);
}

async function tokenOf(url) {
  const { username: credential, password } = person;
  const { body } = await ask(`${url}/api/v3/auth/login/`, post({ credential, password }));
  return body.user.token.access;
}

/** Clients of then ask again until the URLs are there. */
async function playable(address) {
  const names = ["custom_video_title", "title", "description", "duration"];
  const urls = ["mp4_s3_mpd_url", "mov_s3_mpd_url", "mp4_gcore_cdn_mpd_url", "mov_gcore_cdn_mpd_url"];
  const deadline = Date.now() + 120_000;
  for (;;) {
    const { status, body } = await ask(address);
    assert.equal(status, 200);
    assert.equal(body.data.status, "success");
    const { data } = body.data;
    for (const name of [...names, ...urls]) assert.ok(name in data, name);
    if (data.mp4_s3_mpd_url !== null) return data;
    assert.ok(Date.now() < deadline, "the video does not get ready");
    await new Promise((soon) => setTimeout(soon, 250));
  }
}
