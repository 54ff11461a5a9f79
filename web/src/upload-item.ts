// One file on the upload page, from the moment that it is chosen until it plays.

import { defaultOptions, DetailedError, Upload } from "tus-js-client";
import { elapsed, finished } from "./process.js";
import { text } from "./texts.js";

const ENDPOINT = "/api/v5/uploads";
const PIECE_BYTES = 16 << 20;
// Files that are worth more than one connection.
const LARGE_BYTES = 128 << 20;
// About two minutes; each piece that arrives starts this over.
const RETRY_MS = [0, 1000, 2000, 4000, 8000, 15_000, 30_000, 60_000];
const LOOK_AGAIN_MS = 2000;

/** What people say about a video. */
interface Details {
  readonly title: string;
  readonly description: string;
  readonly visibility: string;
}

/** What is read of `GET /api/v5/uploads/{id}`. */
interface UploadState {
  readonly error: string | null;
  readonly state: string;
  readonly video: { readonly id: string; readonly process: string } | null;
}

type Phase = "new" | "uploading" | "paused" | "broken" | "joining" | "processing" | "over";

/** Names of the files that were begun in this browser and not finished. */
export async function unfinished(): Promise<string[]> {
  const uploads = await defaultOptions.urlStorage.findAllUploads();
  return [...new Set(uploads.map(({ metadata }) => metadata["filename"] ?? ""))].filter((name) => name !== "");
}

export class UploadItem {
  readonly element: HTMLElement;
  readonly #file: File;
  readonly #removed: () => void;
  readonly #upload: Upload;
  readonly #fields: { readonly title: HTMLInputElement; readonly description: HTMLTextAreaElement; readonly visibility: HTMLSelectElement };
  readonly #bar: HTMLProgressElement;
  readonly #line: HTMLElement;
  /** For those who do not see the line. */
  readonly #state: HTMLElement;
  readonly #saved: HTMLElement;
  readonly #link: HTMLAnchorElement;
  readonly #toggle: HTMLButtonElement;
  readonly #cancel: HTMLButtonElement;
  #phase: Phase = "new";
  #video: string | undefined;
  /** What the server knows. */
  #said: Details | undefined;
  #began = { at: 0, bytes: 0 };

  constructor(file: File, removed: () => void) {
    this.#file = file;
    this.#removed = removed;
    const template = document.querySelector<HTMLTemplateElement>("#upload-item");
    const element = template?.content.firstElementChild?.cloneNode(true);
    if (!(element instanceof HTMLElement)) throw new Error("the page has no element `#upload-item`");
    this.element = element;
    const id = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
    for (const label of element.querySelectorAll("label")) label.htmlFor = `${label.htmlFor}-${id}`;
    for (const field of element.querySelectorAll("[id]")) field.id = `${field.id}-${id}`;
    this.#fields = { title: find(element, "[name=title]"), description: find(element, "[name=description]"), visibility: find(element, "[name=visibility]") };
    this.#bar = find(element, "progress");
    this.#line = find(element, "[data-line]");
    this.#state = find(element, "[data-state]");
    this.#saved = find(element, "[data-saved]");
    this.#link = find(element, "[data-link]");
    this.#toggle = find(element, "[data-toggle]");
    this.#cancel = find(element, "[data-cancel]");
    find<HTMLElement>(element, "[data-name]").textContent = file.name;
    this.#bar.setAttribute("aria-label", text("script-upload-progress-of", { name: file.name }));
    this.#fields.title.value = file.name.replace(/\.[^.]+$/, "").replaceAll(/[_-]+/g, " ");
    this.#toggle.addEventListener("click", () => this.#turn());
    this.#cancel.addEventListener("click", () => void this.#remove());
    for (const field of Object.values(this.#fields)) field.addEventListener("change", () => void this.#save());
    this.#upload = new Upload(file, this.#options());
    this.#show("new");
  }

  get isNew(): boolean {
    return this.#phase === "new";
  }

  /** Begins, or goes on with what was begun of the same file before. */
  start(): void {
    this.#show("uploading");
    void this.#begin();
  }

  async #begin(): Promise<void> {
    const [previous] = await this.#upload.findPreviousUploads();
    const details = this.#details();
    if (previous === undefined) {
      this.#said = details;
      this.#upload.options.metadata = { filename: this.#file.name, filetype: this.#file.type, ...details };
    } else {
      const { title = "", description = "", visibility = "public" } = previous.metadata;
      this.#said = { title, description, visibility };
      this.#upload.resumeFromPreviousUpload(previous);
    }
    if (this.#phase === "uploading") this.#go();
  }

  #go(): void {
    this.#began = { at: performance.now(), bytes: -1 };
    this.#upload.start();
  }

  #options(): ConstructorParameters<typeof Upload>[1] {
    return {
      endpoint: ENDPOINT,
      chunkSize: PIECE_BYTES,
      parallelUploads: this.#file.size > LARGE_BYTES ? 3 : 1,
      retryDelays: RETRY_MS,
      removeFingerprintOnSuccess: true,
      onShouldRetry: (error) => {
        const status = error.originalResponse?.getStatus() ?? 0;
        const passes = status === 0 || status === 409 || status === 423 || status === 429 || status >= 500;
        if (passes && this.#phase === "uploading") this.#line.textContent = text("script-upload-goes-on");
        return passes && status !== 507;
      },
      onProgress: (sent, total) => this.#progress(sent, total),
      onSuccess: ({ lastResponse }) => void this.#arrived(lastResponse.getHeader("CuteTube-Video")),
      onError: (error) => this.#fail(sentenceOf(error)),
    };
  }

  /** Pauses, goes on, or tries again. */
  #turn(): void {
    if (this.#phase === "uploading") {
      void this.#upload.abort();
      this.#show("paused");
    } else {
      this.#show("uploading");
      if (this.#said === undefined) void this.#begin();
      else this.#go();
    }
  }

  async #remove(): Promise<void> {
    const begun = this.#phase !== "new";
    this.#show("over");
    this.element.remove();
    this.#removed();
    // What cannot be ended now ends by itself.
    if (begun) await this.#upload.abort(true).catch(() => undefined);
  }

  #progress(sent: number, total: number): void {
    if (this.#phase !== "uploading") return;
    const now = performance.now();
    if (this.#began.bytes < 0) this.#began = { at: now, bytes: sent };
    const percent = total > 0 ? Math.floor((sent / total) * 100) : 0;
    const speed = (sent - this.#began.bytes) / Math.max(now - this.#began.at, 1);
    const seconds = speed > 0 ? Math.ceil((total - sent) / speed / 1000) : 0;
    this.#bar.value = percent;
    this.#line.textContent = sent === total ? text("script-upload-sent") : progress(percent, seconds);
  }

  /** All bytes are there: a video is made of them, and then it is processed. */
  async #arrived(video: string | undefined): Promise<void> {
    this.#show("joining");
    this.#bar.removeAttribute("value");
    const address = this.#upload.url;
    for (;;) {
      const upload = address === null ? undefined : await uploadAt(address);
      if (upload === "gone" && video === undefined) return this.#fail(text("script-upload-unknown"), "over");
      if (upload !== undefined && upload !== "gone") {
        if (upload.state === "refused") return this.#fail(upload.error ?? text("script-upload-refused"), "over");
        if (upload.error !== null) this.#line.textContent = upload.error;
        if (upload.video !== null) return this.#process(upload.video.id, new URL(upload.video.process, location.href).pathname);
      }
      await elapsed(LOOK_AGAIN_MS);
    }
  }

  async #process(video: string, process: string): Promise<void> {
    this.#video = video;
    this.#link.href = `/watch/${video}`;
    this.#link.hidden = false;
    this.#show("processing");
    const saved = this.#save();
    let failure: string | undefined = text("script-upload-deleted");
    await finished(process, ({ state, percent, note, error }) => {
      this.#bar.value = percent;
      this.#line.textContent = text("script-upload-processing", { percent }) + (note === null ? "" : `. ${note}`);
      if (state === "ready") failure = undefined;
      if (state === "failed") failure = error ?? text("script-upload-failed");
    });
    await saved;
    if (failure !== undefined) return this.#fail(failure, "over");
    this.#show("over");
    this.#bar.value = 100;
    this.#line.textContent = text("script-upload-plays");
    this.#state.textContent = text("script-upload-plays-name", { name: this.#file.name });
  }

  /** Tells the server what has been changed since it was told. Before there is a video it waits for it. */
  async #save(): Promise<void> {
    const said = this.#said;
    const details = this.#details();
    if (this.#video === undefined || said === undefined) return;
    const changed = Object.entries(details).filter(([name, value]) => said[name as keyof Details] !== value);
    if (changed.length === 0) return;
    const headers = { "content-type": "application/json" };
    const body = JSON.stringify(Object.fromEntries(changed));
    const answer = await fetch(`/api/v5/videos/${this.#video}`, { method: "PATCH", headers, body }).catch(() => undefined);
    if (answer?.ok) {
      this.#said = details;
      this.#saved.textContent = text("script-upload-saved");
    } else {
      const problem = answer === undefined ? undefined : detailOf(await answer.text());
      this.#saved.textContent = problem === undefined ? text("script-upload-not-answered") : text("script-upload-not-saved", { problem });
    }
  }

  #details(): Details {
    const { title, description, visibility } = this.#fields;
    return { title: title.value.trim(), description: description.value, visibility: visibility.value };
  }

  #fail(sentence: string, phase: "broken" | "over" = "broken"): void {
    this.#show(phase);
    this.#line.textContent = sentence;
    this.#state.textContent = `${this.#file.name}: ${sentence}`;
    this.#line.classList.add("error");
  }

  #show(phase: Phase): void {
    this.#phase = phase;
    this.element.dataset["phase"] = phase;
    this.#line.classList.remove("error");
    this.#bar.hidden = phase === "new" || phase === "broken";
    this.#toggle.hidden = phase !== "uploading" && phase !== "paused" && phase !== "broken";
    this.#toggle.textContent = { uploading: text("script-upload-pause"), paused: text("script-upload-go-on"), broken: text("script-upload-try-again") }[phase as string] ?? "";
    this.#cancel.hidden = phase === "joining" || phase === "processing" || (phase === "over" && this.#video !== undefined);
    this.#cancel.textContent = text(phase === "new" || phase === "over" ? "script-upload-remove" : "script-upload-cancel");
    const texts: Record<Phase, string> = {
      new: text("script-upload-new"),
      uploading: text("script-upload-uploading"),
      paused: text("script-upload-paused", { percent: this.#bar.value }),
      broken: "",
      joining: text("script-upload-joining"),
      processing: text("script-upload-processing-begins"),
      over: "",
    };
    this.#line.textContent = texts[phase];
    if (phase !== "new") this.#state.textContent = texts[phase];
  }
}

async function uploadAt(url: string): Promise<UploadState | "gone" | undefined> {
  try {
    const response = await fetch(url, { headers: { accept: "application/json" }, cache: "no-store" });
    if (response.status === 404) return "gone";
    return response.ok ? ((await response.json()) as UploadState) : undefined;
  } catch {
    return undefined;
  }
}

/** What the server says, or that it says nothing. */
function sentenceOf(error: Error): string {
  const answer = error instanceof DetailedError ? error.originalResponse : null;
  const status = answer?.getStatus() ?? 0;
  if (status === 401) return text("script-upload-signed-out");
  return detailOf(answer?.getBody() ?? "") ?? text("script-upload-broke-off");
}

/** The sentences of a problem document, if it is one. */
function detailOf(body: string): string | undefined {
  try {
    const { detail, errors } = JSON.parse(body) as { detail?: string; errors?: { detail: string }[] };
    return errors !== undefined && errors.length > 0 ? errors.map((error) => error.detail).join(" ") : detail;
  } catch {
    return undefined;
  }
}

function progress(percent: number, seconds: number): string {
  if (seconds < 2) return text("script-upload-progress", { percent });
  if (seconds < 90) return text("script-upload-progress-seconds", { percent, seconds });
  return text("script-upload-progress-minutes", { percent, minutes: Math.round(seconds / 60) });
}

function find<T extends Element>(element: Element, selector: string): T {
  const found = element.querySelector<T>(selector);
  if (found === null) throw new Error(`the page has no element \`${selector}\``);
  return found;
}
