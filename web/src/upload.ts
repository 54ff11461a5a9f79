// The upload form with progress. Without this script the form does the same, silently.

interface Parts {
  readonly form: HTMLFormElement;
  readonly file: HTMLInputElement;
  readonly title: HTMLInputElement;
  readonly button: HTMLButtonElement;
  readonly progress: HTMLElement;
  readonly bar: HTMLProgressElement;
  readonly text: HTMLElement;
  readonly cancel: HTMLButtonElement;
  readonly errors: HTMLElement;
}

function enhance(parts: Parts): void {
  const { form, file, title } = parts;
  file.addEventListener("change", () => suggestTitle(file, title));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(parts);
  });
  for (const kind of ["dragenter", "dragover"]) {
    form.addEventListener(kind, (event) => {
      event.preventDefault();
      form.classList.add("dragging");
    });
  }
  for (const kind of ["dragleave", "drop"]) form.addEventListener(kind, () => form.classList.remove("dragging"));
  form.addEventListener("drop", (event) => {
    event.preventDefault();
    const dropped = event.dataTransfer?.files;
    if (dropped === undefined || dropped.length === 0) return;
    file.files = dropped;
    suggestTitle(file, title);
  });
}

function suggestTitle(file: HTMLInputElement, title: HTMLInputElement): void {
  const name = file.files?.[0]?.name;
  if (name === undefined || title.value !== "") return;
  title.value = name.replace(/\.[^.]+$/, "").replaceAll(/[_-]+/g, " ");
}

function send(parts: Parts): void {
  const request = new XMLHttpRequest();
  const started = performance.now();
  const body = new FormData(parts.form);
  request.upload.addEventListener("progress", ({ loaded, total }) => show(parts, loaded, total, performance.now() - started));
  request.addEventListener("load", () => {
    // The form's answer is a redirect to the video's page, which the request has followed.
    if (request.status < 400) location.assign(request.responseURL);
    else fail(parts, errorsOf(request.responseText));
  });
  request.addEventListener("error", () => fail(parts, ["The connection broke off. Please try again."]));
  request.addEventListener("abort", () => fail(parts, ["The upload was cancelled."]));
  parts.cancel.onclick = () => request.abort();

  busy(parts, true);
  show(parts, 0, 1, 0);
  request.open("POST", parts.form.action);
  request.send(body);
}

function show({ bar, text }: Parts, loaded: number, total: number, milliseconds: number): void {
  const percent = total > 0 ? Math.floor((loaded / total) * 100) : 0;
  bar.value = percent;
  const seconds = loaded > 0 ? Math.ceil(((milliseconds / loaded) * (total - loaded)) / 1000) : 0;
  text.textContent = loaded === total && loaded > 1 ? "Almost done …" : `${percent} %${remaining(seconds)}`;
}

function remaining(seconds: number): string {
  if (seconds < 2) return "";
  return seconds < 90 ? `, ${seconds} s left` : `, ${Math.round(seconds / 60)} min left`;
}

function busy({ form, button, progress, errors }: Parts, sending: boolean): void {
  button.disabled = sending;
  progress.hidden = !sending;
  form.setAttribute("aria-busy", String(sending));
  if (sending) errors.replaceChildren();
}

/** The sentences of the form that the server rendered in answer. */
function errorsOf(html: string): string[] {
  const page = new DOMParser().parseFromString(html, "text/html");
  const sentences = [...page.querySelectorAll("[data-error]")].map((element) => element.textContent?.trim() ?? "");
  return sentences.length > 0 ? sentences : ["The upload was refused. Please try again."];
}

function fail(parts: Parts, sentences: readonly string[]): void {
  busy(parts, false);
  parts.errors.replaceChildren(
    ...sentences.map((sentence) => {
      const line = document.createElement("p");
      line.className = "notice notice-error";
      line.textContent = sentence;
      return line;
    }),
  );
  parts.errors.focus();
}

/** The elements of `templates/upload.html`, or undefined on a page that has no such form. */
function find(): Parts | undefined {
  const form = document.querySelector<HTMLFormElement>("form#upload");
  const file = form?.querySelector<HTMLInputElement>("input[type=file]");
  const title = form?.querySelector<HTMLInputElement>("input[name=title]");
  const button = form?.querySelector<HTMLButtonElement>("button[type=submit]");
  const progress = document.getElementById("upload-progress");
  const bar = progress?.querySelector("progress");
  const text = progress?.querySelector<HTMLElement>("[data-percent]");
  const cancel = progress?.querySelector("button");
  const errors = document.getElementById("upload-errors");
  if (!form || !file || !title || !button || !progress || !bar || !text || !cancel || !errors) return undefined;
  return { form, file, title, button, progress, bar, text, cancel, errors };
}

const parts = find();
if (parts !== undefined) enhance(parts);
