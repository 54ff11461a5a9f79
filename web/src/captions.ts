// The captions page of the studio: a file that was chosen is shown on the video before it is sent.

import { text } from "./texts.js";

/** What `player.ts` listens for on the player's element. */
export interface Preview {
  readonly uri: string;
  readonly mime: string;
  readonly language: string;
}

const input = document.querySelector<HTMLInputElement>("#file");
const language = document.querySelector<HTMLInputElement>("#language");
const note = document.querySelector<HTMLElement>("#preview-note");

input?.addEventListener("change", () => void preview(input.files?.[0]));

async function preview(file: File | undefined): Promise<void> {
  const frame = document.querySelector<HTMLElement>(".player");
  if (file === undefined || frame === null || note === null) return;
  const named = /[._-]([a-z]{2,3})\.(?:vtt|srt)$/i.exec(file.name)?.[1];
  if (language !== null && language.value === "" && named !== undefined) language.value = named.toLowerCase();
  const content = await file.text();
  const detail: Preview = {
    uri: `data:text/plain;charset=utf-8,${encodeURIComponent(content)}`,
    mime: /^\uFEFF?WEBVTT/.test(content) ? "text/vtt" : "text/srt",
    language: language?.value || "und",
  };
  note.textContent = "";
  frame.dispatchEvent(new CustomEvent("preview-captions", { detail }));
}

document.addEventListener("captions-previewed", (event) => {
  if (note === null) return;
  const isShown = (event as CustomEvent<boolean>).detail;
  note.textContent = text(isShown ? "script-captions-shown" : "script-captions-not-shown");
});
