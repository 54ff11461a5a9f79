// The stage of a video: shows how far processing is, and puts what the server renders next in its place.

import { share, wantedStart } from "./share.js";
import { countView } from "./views.js";

// The stream comes back by itself after it broke off; this is for when the server refused it.
const COME_BACK_MS = 5000;

/** What is read of `GET /api/v5/processes/{id}`. */
interface Process {
  readonly state: "uploaded" | "processing" | "ready" | "failed";
  readonly percent: number;
  readonly note: string | null;
}

async function start(stage: HTMLElement): Promise<void> {
  const waiting = stage.querySelector<HTMLElement>("[data-process]");
  if (waiting !== null) {
    await finished(waiting);
    stage.replaceWith((stage = await rendered(stage.id)));
    stage.tabIndex = -1;
    stage.focus();
  }
  const player = stage.querySelector<HTMLElement>("[data-dash]");
  if (player === null) return;
  countView(player);
  share(player);
  const { play } = await import("./player.js");
  await play(player, wantedStart());
}

/** Resolves once the video is ready, has failed or is gone; keeps the bar and its texts up to date until then. */
async function finished(waiting: HTMLElement): Promise<void> {
  const url = waiting.dataset["process"] ?? "";
  for (;;) {
    if (await followed(waiting, `${url}/events`)) return;
    const process = await processAt(url);
    if (process === "gone" || (process !== undefined && shown(waiting, process))) return;
    await elapsed(COME_BACK_MS);
  }
}

/** Resolves with true at the end of the processing, with false when the server does not let us follow it. */
function followed(waiting: HTMLElement, url: string): Promise<boolean> {
  const events = new EventSource(url);
  return new Promise((resolve) => {
    const end = (finished: boolean): void => {
      events.close();
      resolve(finished);
    };
    events.addEventListener("message", ({ data }) => {
      if (shown(waiting, JSON.parse(data as string) as Process)) end(true);
    });
    events.addEventListener("error", () => {
      if (events.readyState === EventSource.CLOSED) end(false);
    });
  });
}

/** Puts it on the page, and answers whether it was the last there is to say. */
function shown(waiting: HTMLElement, { state, percent, note }: Process): boolean {
  const bar = waiting.querySelector("progress");
  if (bar !== null) bar.value = percent;
  for (const [name, text] of [["percent", `${percent} %`], ["note", note ?? ""]] as const) {
    const line = waiting.querySelector(`[data-${name}]`);
    if (line !== null && line.textContent !== text) line.textContent = text;
  }
  return state === "ready" || state === "failed";
}

/** Undefined when the server did not answer; it may be restarting. */
async function processAt(url: string): Promise<Process | "gone" | undefined> {
  try {
    const response = await fetch(url, { headers: { accept: "application/json" }, cache: "no-cache" });
    if (response.status === 404) return "gone";
    return response.ok ? ((await response.json()) as Process) : undefined;
  } catch {
    return undefined;
  }
}

/** The element with this id as the server renders this page now. */
async function rendered(id: string): Promise<HTMLElement> {
  const response = await fetch(location.href, { cache: "no-cache" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const element = page.getElementById(id);
  if (element === null) throw new Error(`the page has no element \`${id}\` any more`);
  return document.adoptNode(element);
}

function elapsed(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

const stage = document.getElementById("stage");
if (stage !== null) void start(stage);
