import { deflateSync, gzipSync } from "node:zlib";
import { expect } from "vitest";
import { IommuError } from "../../../src/base/errors.ts";
import { openInput } from "../../../src/formats/input/opened-input.ts";
import { readMachineAsFar } from "../../../src/formats/saved/saved-machine.ts";
import { Random } from "../../helpers/random.ts";
import { be } from "../migration/small-stream.ts";
import { anySize, chunksOf, fileOf } from "../migration/sources.ts";
import {
  compressedStream,
  libvirtImage,
  mappedStream,
  oldStream,
  plainStream,
  postcopyStream,
  qcow2Disk,
} from "./small-saved.ts";

const PAGE = new Uint8Array(deflateSync(new Uint8Array(4096).fill(0x33)));

/** Small files, one for each reader, and how much of their beginning tells most. */
export const READERS: readonly {
  readonly reader: string;
  readonly bytes: Uint8Array;
  readonly head: number;
}[] = [
  { reader: "plain streams", bytes: Uint8Array.from(plainStream()), head: 400 },
  { reader: "mapped pages", bytes: Uint8Array.from(mappedStream()), head: 160 },
  { reader: "compressed pages", bytes: Uint8Array.from(compressedStream(PAGE)), head: 400 },
  { reader: "postcopy", bytes: Uint8Array.from(postcopyStream()), head: 400 },
  { reader: "old machines", bytes: Uint8Array.from(oldStream(false)), head: 300 },
  { reader: "old machines with a description", bytes: Uint8Array.from(oldStream(true)), head: 300 },
  { reader: "libvirt's images", bytes: Uint8Array.from(libvirtImage(plainStream())), head: 400 },
  {
    reader: "disks",
    bytes: qcow2Disk({
      snapshots: [
        { name: "a", state: plainStream() },
        { name: "b", state: plainStream() },
      ],
    }),
    head: 3000,
  },
  { reader: "gzip", bytes: new Uint8Array(gzipSync(Uint8Array.from(plainStream()))), head: 100 },
];

const HOSTILE = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_fff8, 0xffff_ffff];
const CODES: readonly string[] = ["BAD_FILE", "UNSUPPORTED", "LIMIT_EXCEEDED"];
/** A file takes no longer than this, however it is damaged, also on a busy machine. */
const MAX_MS = 5000;

/** Damages a small file so many times: it ends with a machine, or with a reason and its place, soon, and takes no memory. */
export async function damageSaved(
  { bytes, head }: (typeof READERS)[number],
  seed: number,
  rounds: number,
): Promise<void> {
  const random = new Random(seed);
  const wrong: string[] = [];
  let refused = 0;
  let peak = 0;
  const before = process.memoryUsage.rss();
  for (let round = 0; round < rounds; round++) {
    const damaged = damage(bytes, head, random);
    const input = round % 2 === 0 ? fileOf(damaged) : chunksOf(damaged, anySize(random));
    const start = performance.now();
    const result = await readResult(input);
    if (performance.now() - start > MAX_MS)
      wrong.push(`round ${round}: took ${performance.now() - start} ms`);
    if (round % 1000 === 0) peak = Math.max(peak, process.memoryUsage.rss());
    if (result === undefined) continue;
    refused++;
    const isPlaced = /byte \d+|ends early|unpacked bytes|snapshots?|packed|containers/.test(result.message);
    if (!isPlaced || !CODES.includes(result.code)) wrong.push(`round ${round}: ${result}`);
  }
  expect(wrong, `SEED=${seed}`).toEqual([]);
  expect(refused).toBeGreaterThan(rounds / 10);
  expect(peak - before, `SEED=${seed}`).toBeLessThan(256 * 2 ** 20);
}

/** Some bytes changed, numbers made hostile, a piece cut out or doubled, or the end taken away. */
function damage(bytes: Uint8Array, head: number, random: Random): Uint8Array {
  let damaged = bytes.slice();
  for (let times = 1 + random.below(3); times > 0; times--) {
    const at = random.below(random.below(2) === 0 ? Math.min(head, damaged.length) : damaged.length);
    switch (random.below(5)) {
      case 0:
        damaged = damaged.slice(0, Math.max(16, at));
        break;
      case 1: {
        const end = at + random.below(64);
        damaged = Uint8Array.from([...damaged.subarray(0, at), ...damaged.subarray(end)]);
        break;
      }
      case 2:
        damaged[at] = random.below(256);
        break;
      default:
        damaged.set(be(4, random.pick(HOSTILE)).slice(0, damaged.length - at), at);
    }
    if (damaged.length === 0) return damaged;
  }
  return damaged;
}

/** What a damaged file is refused with; anything but an IommuError fails the test. */
async function readResult(input: Parameters<typeof openInput>[0]): Promise<IommuError | undefined> {
  try {
    const opened = await openInput(input, "x", 16);
    try {
      if (opened.savedAt === undefined) return undefined;
      return (await readMachineAsFar(opened, { name: "x" })).stream.damage;
    } finally {
      await opened.chunks.return(undefined);
    }
  } catch (error) {
    if (!(error instanceof IommuError)) throw error;
    return error;
  }
}
