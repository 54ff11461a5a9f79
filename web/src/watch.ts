// The stage of a video: shows how far processing is, and puts what the server renders next in its place.

import { finished, type Process } from "./process.js";
import { share, wantedStart } from "./share.js";
import { countView } from "./views.js";

async function start(stage: HTMLElement): Promise<void> {
  const waiting = stage.querySelector<HTMLElement>("[data-process]");
  if (waiting !== null) {
    await finished(waiting.dataset["process"] ?? "", (process) => show(waiting, process));
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

function show(waiting: HTMLElement, { percent, note }: Process): void {
  const bar = waiting.querySelector("progress");
  if (bar !== null) bar.value = percent;
  for (const [name, text] of [["percent", `${percent} %`], ["note", note ?? ""]] as const) {
    const line = waiting.querySelector(`[data-${name}]`);
    if (line !== null && line.textContent !== text) line.textContent = text;
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

const stage = document.getElementById("stage");
if (stage !== null) void start(stage);
