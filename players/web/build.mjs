// Bundles src into dist: index.html, and assets/ with a hash in every name. index.html is written last, so that its time is
// the build's.

import { mkdir, readFile, readdir, rm, writeFile } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL(".", import.meta.url));
const dist = join(root, "dist");
const assets = join(dist, "assets");

await rm(assets, { recursive: true, force: true });
await mkdir(assets, { recursive: true });

const result = await build({
  absWorkingDir: root,
  entryPoints: ["src/main.ts", "src/app.css", "src/logo.svg"],
  outdir: assets,
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  assetNames: "[name]-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  target: ["es2022", "chrome109", "firefox115", "safari16.4"],
  minify: true,
  loader: { ".svg": "copy" },
  legalComments: "linked",
  metafile: true,
  logLevel: "warning",
});

// Placeholders such as {{main.ts}} become the address of what was built from that file.
const built = new Map(Object.entries(result.metafile.outputs)
  .filter(([, o]) => o.entryPoint !== undefined)
  .map(([file, o]) => [basename(o.entryPoint), `/${relative(dist, join(root, file))}`]));
const page = (await readFile(join(root, "src/index.html"), "utf8")).replace(/\{\{(.+?)\}\}/g, (_, name) => {
  const address = built.get(name);
  if (address === undefined) throw new Error(`index.html names ${name}, which is no entry point`);
  return address;
});
await writeFile(join(dist, "index.html"), page);

let total = 0;
for (const [file, o] of Object.entries(result.metafile.outputs)) {
  if (file.endsWith(".js")) total += o.bytes;
}
console.log(`players/web: ${(await readdir(assets)).length} files, ${Math.round(total / 1000)} kB of scripts`);
