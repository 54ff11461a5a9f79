// The stage of a video: shows how far processing is, and puts what the server renders next in its place.

const POLL_MS = 1000;
const POLL_AFTER_ERROR_MS = 5000;

/** What is read of `GET /api/v5/videos/{id}`. */
interface Status {
  readonly state: "uploaded" | "processing" | "ready" | "failed";
  readonly percent: number;
}

async function start(stage: HTMLElement): Promise<void> {
  const progress = stage.querySelector<HTMLElement>("[data-progress]");
  if (progress !== null) {
    await finished(progress);
    stage.replaceWith((stage = await rendered(stage.id)));
    stage.tabIndex = -1;
    stage.focus();
  }
  const player = stage.querySelector<HTMLElement>("[data-dash]");
  if (player === null) return;
  const { play } = await import("./player.js");
  await play(player);
}

/** Resolves once the video is ready or has failed; keeps the bar and its text up to date until then. */
async function finished(progress: HTMLElement): Promise<void> {
  const url = progress.dataset["progress"] ?? "";
  const bar = progress.querySelector("progress");
  const text = progress.querySelector("[data-percent]");
  for (;;) {
    const status = await statusAt(url);
    if (status?.state === "ready" || status?.state === "failed") return;
    if (status !== undefined) {
      const percent = Math.floor(status.percent);
      if (bar !== null) bar.value = percent;
      if (text !== null) text.textContent = `${percent} %`;
    }
    await elapsed(status === undefined ? POLL_AFTER_ERROR_MS : POLL_MS);
  }
}

/** Undefined when the server did not answer; it may be restarting. */
async function statusAt(url: string): Promise<Status | undefined> {
  try {
    const response = await fetch(url, { headers: { accept: "application/json" }, cache: "no-cache" });
    return response.ok ? ((await response.json()) as Status) : undefined;
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
