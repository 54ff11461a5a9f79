// The code that a link brings after its `#`, where no server sees it, goes into the form, and out of the address.

const input = document.querySelector<HTMLInputElement>("input[data-code]");
const code = location.hash.slice(1);
if (input !== null && /^[\w-]+$/.test(code)) {
  input.value = code;
  history.replaceState(null, "", location.pathname + location.search);
}

export {};
