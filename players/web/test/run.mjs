// Compiles the tests of a folder, or the fixture server, with esbuild and runs them in Node.
//
//   node test/run.mjs unit|browser [file...]
//   node test/run.mjs serve
//   node test/run.mjs viewer

import { spawn } from "node:child_process";
import { readdir, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { join } from "node:path";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
const [what = "unit", ...only] = process.argv.slice(2);
const out = join(root, "node_modules/.weir", what); // inside, so that imports of packages resolve

const folder = join(root, "test", what);
const programs = { serve: "test/fixture/serve.ts", viewer: "test/browser/viewer.ts" };
const program = programs[what];
const sources = program
  ? [join(root, program)]
  : (await readdir(folder)).filter((f) => f.endsWith(".test.ts") && (only.length === 0 || only.includes(f))).map((f) => join(folder, f));
if (sources.length === 0) throw new Error(`no tests in ${folder}`);

await rm(out, { recursive: true, force: true });
await build({
  entryPoints: sources, outdir: out, outExtension: { ".js": ".mjs" }, bundle: true, platform: "node", format: "esm", target: "node20",
  packages: "external", sourcemap: "inline", logLevel: "warning",
});

const built = (await readdir(out)).filter((f) => f.endsWith(".mjs")).map((f) => join(out, f));
// Browser tests run one after another: they measure playback.
const args = program ? built : ["--test", `--test-concurrency=${what === "browser" ? 1 : 2}`, ...built];
const child = spawn(process.execPath, ["--enable-source-maps", ...args], { stdio: "inherit", env: { ...process.env, WEIR_DIST: join(root, "dist") } });
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code, signal) => (process.exitCode = signal ? 1 : (code ?? 1)));
