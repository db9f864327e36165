// The fixture must be what it says: media as Weir publishes it.

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { status, total, view, type Asset } from "../fixture/assets.ts";
import { dash, hlsMain, hlsMedia } from "../fixture/manifests.ts";
import { makeMedia, type Media } from "../fixture/media.ts";

let media: Media;

before(async () => {
  media = await makeMedia(4);
});

test("segments tile from 0, in sound and picture", () => {
  for (const r of media.renditions) {
    let at = 0;
    for (const s of r.segments) {
      assert.equal(s.start, at, `${r.name} at ${s.start}`);
      at += s.duration;
    }
    assert.ok(Math.abs(at / r.timescale - media.duration) < 0.03, `${r.name} has ${at / r.timescale} s`);
  }
  assert.equal(total(media), 2);
});

test("the audio's first segment loses its priming to the edit list", () => {
  const audio = media.renditions.find((r) => r.kind === "audio");
  assert.equal(audio?.segments[0]?.duration, 94 * 1024 - 1024);
});

test("manifests list what is listed, and end when all is", () => {
  const asset: Asset = { id: "a", name: "A", media, started: 1000, pace: 500 };
  const [video] = media.renditions;
  assert.ok(video);
  const at = (now: number): string => hlsMedia(view(asset, now), video);
  assert.equal(at(1600).match(/m4s/g)?.length, 1);
  assert.ok(at(1600).includes("#EXT-X-PLAYLIST-TYPE:EVENT") && !at(1600).includes("ENDLIST"));
  assert.equal(at(2000).match(/m4s/g)?.length, 2);
  assert.ok(at(2000).endsWith("#EXT-X-ENDLIST\n"));
  assert.ok(dash(view(asset, 1600)).includes('type="dynamic"'));
  assert.ok(dash(view(asset, 2000)).includes('type="static" mediaPresentationDuration="PT4S"'));
  assert.ok(hlsMain(view(asset, 1600)).includes("#EXT-X-START:TIME-OFFSET=0"));
  assert.deepEqual([status(asset, 900)["state"], status(asset, 1600)["state"], status(asset, 9999)["state"]], ["probing", "encoding", "complete"]);
});
