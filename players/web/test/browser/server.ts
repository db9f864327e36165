// What the tests run against: a Weir server named by the environment, or else the fixture.
//
//   WEIR_URL            http://localhost:8080; without it the fixture is started
//   WEIR_ASSET          a complete asset with video and audio
//   WEIR_FILM           another, longer one; optional
//   WEIR_GROWING_MASTER a file to upload that is watched while it is encoded

import { writeFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startFixture } from "../fixture/server.ts";

export interface Target {
  url: string;
  /** Complete assets to play. */
  assets: string[];
  /** A file to upload. */
  master: string;
  close(): Promise<void>;
}

export async function target(): Promise<Target> {
  const { WEIR_URL: url, WEIR_ASSET: asset, WEIR_FILM: film, WEIR_GROWING_MASTER: master } = process.env;
  if (url) {
    if (!asset || !master) throw new Error("WEIR_URL is set, so WEIR_ASSET and WEIR_GROWING_MASTER must be");
    return { url: url.replace("//127.0.0.1:", "//localhost:"), assets: [asset, ...(film ? [film] : [])], master, close: async () => undefined };
  }
  const fixture = await startFixture({ dist: process.env["WEIR_DIST"] ?? "dist", seconds: 16, pace: 1200 });
  fixture.add("demo", "Weir demo");
  const dir = await mkdtemp(join(tmpdir(), "weir-master-"));
  const file = join(dir, "A_growing.film.mp4");
  await writeFile(file, Buffer.alloc(3 << 20)); // the fixture looks at its name only
  return {
    url: fixture.url,
    assets: ["demo"],
    master: file,
    close: async () => {
      await fixture.close();
      await rm(dir, { recursive: true });
    },
  };
}
