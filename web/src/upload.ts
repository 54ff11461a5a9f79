// The upload page: files are sent in pieces and go on where they were after whatever broke off. Without this script the
// form sends one file at once.

import { text } from "./texts.js";
import { UploadItem, unfinished } from "./upload-item.js";

interface Parts {
  readonly form: HTMLFormElement;
  readonly file: HTMLInputElement;
  readonly button: HTMLButtonElement;
  readonly list: HTMLElement;
  readonly errors: HTMLElement;
  readonly limit: number;
}

function enhance({ form, file, button, list, errors, limit }: Parts): void {
  // Each file has its own.
  for (const field of form.querySelectorAll("[data-single]")) field.remove();
  file.multiple = true;
  file.required = false;
  button.disabled = true;
  const items: UploadItem[] = [];
  const update = (): void => {
    button.disabled = !items.some((item) => item.isNew);
  };
  const add = (files: Iterable<File>): void => {
    errors.replaceChildren();
    document.getElementById("unfinished")?.remove();
    for (const one of files) {
      const problem = fault(one, limit);
      if (problem === undefined) {
        const item = new UploadItem(one, () => {
          items.splice(items.indexOf(item), 1);
          update();
          file.focus();
        });
        items.push(item);
        list.append(item.element);
      } else {
        errors.append(notice(`${one.name}: ${problem}`));
      }
    }
    if (errors.childElementCount > 0) errors.focus();
    file.value = "";
    update();
  };
  file.addEventListener("change", () => add([...(file.files ?? [])]));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    for (const item of items) if (item.isNew) item.start();
    update();
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
    add(event.dataTransfer?.files ?? []);
  });
  void hint(form);
}

/** What the server would say as well, but only after the file was chosen and sent. */
function fault(file: File, limit: number): string | undefined {
  if (!/\.(mp4|mov)$/i.test(file.name)) return text("script-upload-kind");
  if (file.size === 0) return text("script-upload-empty");
  return file.size > limit ? text("script-upload-too-large") : undefined;
}

/** Names what was begun in this browser and not finished. */
async function hint(form: HTMLElement): Promise<void> {
  const names = await unfinished();
  if (names.length === 0) return;
  const line = document.createElement("p");
  line.id = "unfinished";
  line.className = "notice";
  line.textContent = text("script-upload-unfinished", { names: names.join(", ") });
  form.before(line);
}

function notice(sentence: string): HTMLElement {
  const line = document.createElement("p");
  line.className = "notice notice-error";
  line.textContent = sentence;
  return line;
}

/** The elements of `templates/upload.html`, or undefined on a page that has no such form. */
function find(): Parts | undefined {
  const form = document.querySelector<HTMLFormElement>("form#upload");
  const file = form?.querySelector<HTMLInputElement>("input[type=file]");
  const button = form?.querySelector<HTMLButtonElement>("button[type=submit]");
  const list = document.getElementById("uploads");
  const errors = document.getElementById("upload-errors");
  if (!form || !file || !button || !list || !errors) return undefined;
  return { form, file, button, list, errors, limit: Number(form.dataset["limit"] ?? Number.MAX_SAFE_INTEGER) };
}

const parts = find();
if (parts !== undefined) enhance(parts);
