import { expect, it } from "vitest";
import type { IommuError } from "../../../src/base/errors.ts";
import { openInput } from "../../../src/formats/input/opened-input.ts";
import { readMachineAsFar } from "../../../src/formats/saved/saved-machine.ts";
import { runSeed } from "../../helpers/random.ts";
import { be, CONFIGURATION, footer, HEADER, named, section } from "../migration/small-stream.ts";
import { damageSaved, READERS } from "./damage-campaign.ts";
import { qcow2Disk } from "./small-saved.ts";

// The long run has 100,000 of each.
it.each(READERS)(`damaged files are no trouble: $reader, SEED=${runSeed()}`, (reader) =>
  damageSaved(reader, runSeed(), 60),
);

const damageOf = async (bytes: Uint8Array): Promise<IommuError | undefined> => {
  try {
    const opened = await openInput(new Uint8Array(bytes), "x", 16);
    return (await readMachineAsFar(opened, { name: "x" })).stream.damage;
  } catch (error) {
    return error as IommuError;
  }
};

it("sections without end are refused", async () => {
  const one = section(4, 1, "a", 0, 1, [1]);
  const bytes = new Uint8Array(HEADER.length + CONFIGURATION.length + 70_000 * one.length);
  bytes.set([...HEADER, ...CONFIGURATION]);
  for (let at = HEADER.length + CONFIGURATION.length; at < bytes.length; at += one.length) bytes.set(one, at);
  expect((await damageOf(bytes))?.message).toMatch(/byte \d+ \(0x\w+\): more than 65536 sections/);
});

it("a mapped block of 2^52 bytes is refused, and one whose bitmap is longer than the file", async () => {
  const mapped = (size: number, pages: number): Uint8Array =>
    Uint8Array.from([
      ...HEADER,
      ...CONFIGURATION,
      ...[5, ...named("configuration/capabilities"), ...be(4, 1), ...be(4, 1), ...named("mapped-ram")],
      ...[1, ...be(4, 2), ...named("ram"), ...be(4, 0), ...be(4, 4)],
      ...[...be(8, size + 4), ...named("a"), ...be(8, size)],
      ...[...be(4, 1), ...be(8, 4096), ...be(8, 4096), ...be(8, pages)],
      ...footer(2),
    ]);
  expect((await damageOf(mapped(2 ** 52, 2 ** 50)))?.message).toMatch(/byte \d+ .*RAM of 2\^52 bytes/);
  expect((await damageOf(mapped(2 ** 51, 2 ** 50)))?.message).toMatch(/byte \d+ .*the stream ends within/);
});

it("a disk whose state is said to have 2^51 bytes is read up to where it ends", async () => {
  const disk = qcow2Disk({ snapshots: [{ name: "a", state: [...HEADER, ...CONFIGURATION] }] });
  const view = new DataView(disk.buffer);
  const table = Number(view.getBigUint64(64));
  view.setBigUint64(table + 40, 2n ** 51n);
  expect((await damageOf(disk))?.message).toMatch(/byte \d+/);
});
