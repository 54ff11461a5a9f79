// Bundles src/ into dist/: stable names but for what two scripts share, each with a .br and a .gz beside it where that saves something.
// The program embeds dist/ and adds a hash of its content to the URLs.

import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { brotliCompress, gzip } from "node:zlib";
import { build } from "esbuild";

const dist = new URL("dist/", import.meta.url);

// Shaka's styles fetch a font from another host; CuteTube's pages load nothing from other hosts.
const withoutForeignFonts = {
  name: "without-foreign-fonts",
  setup(bundler) {
    bundler.onLoad({ filter: /shaka-player\/dist\/controls\.css$/ }, async ({ path }) => {
      const contents = (await readFile(path, "utf8")).replaceAll(/@font-face\s*\{[^}]*\}/g, "");
      if (/url\(\s*["']?https?:/.test(contents)) throw new Error(`${path} still loads from another host`);
      return { contents, loader: "css" };
    });
  },
};

const { outputFiles } = await build({
  absWorkingDir: fileURLToPath(new URL(".", import.meta.url)),
  entryPoints: ["site.css", "player.css", "watch.ts", "player.ts", "upload.ts", "code.ts", "admin.css", "admin.ts", "studio.ts", "captions.ts", "preview.ts", "icon.svg"].map((name) => `src/${name}`),
  outdir: "dist",
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2021", "chrome109", "firefox115", "safari16"],
  loader: { ".svg": "copy" },
  minify: true,
  legalComments: "linked",
  plugins: [withoutForeignFonts],
  logLevel: "warning",
  write: false,
});

const built = new Map();
for (const { path, contents } of outputFiles) {
  const name = basename(path);
  built.set(name, contents);
  const packed = { br: await promisify(brotliCompress)(contents), gz: await promisify(gzip)(contents, { level: 9 }) };
  for (const [encoding, bytes] of Object.entries(packed)) {
    if (bytes.length < contents.length) built.set(`${name}.${encoding}`, bytes);
  }
}

// Files that stay the same are not touched: cargo would build the program again.
await mkdir(dist, { recursive: true });
for (const stale of await readdir(dist)) {
  if (!built.has(stale)) await rm(new URL(stale, dist));
}
for (const [name, bytes] of built) {
  const old = await readFile(new URL(name, dist)).catch(() => undefined);
  if (old === undefined || !old.equals(bytes)) await writeFile(new URL(name, dist), bytes);
}
