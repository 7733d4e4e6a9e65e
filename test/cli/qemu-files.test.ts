import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { gunzip } from "../helpers/gunzip.ts";
import { hasProgram } from "../helpers/programs.ts";
import { some } from "../helpers/some.ts";
import { cli } from "./cli.ts";

const FILES = path.resolve(import.meta.dirname, "../corpus/qemu-files");
const file = (name: string): string => path.join(FILES, name);

interface Answer {
  readonly file: string;
  readonly container: readonly string[];
  readonly streamOffset: number;
  readonly machine: string | null;
  readonly tables: Readonly<Record<string, { entries: number; tces: Readonly<Record<string, string>> }>>;
}
/** What another reader found; see the README beside it. */
const ANSWERS: readonly Answer[] = JSON.parse(readFileSync(file("answers.json"), "utf8")).files;

/** Those that can be unpacked on this machine, and those that take a program which is not there. */
const needsProgram = ({ container }: Answer): boolean => container.includes("xz") && !hasProgram("xz");
const READABLE = ANSWERS.filter((answer) => !needsProgram(answer));
const REFUSED = ANSWERS.filter(needsProgram);

const folder = mkdtempSync(path.join(tmpdir(), "qemu-files-"));
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * A file as it was before it was packed, on disk: verbs go past the memory in it, and need not unpack that each time.
 * Where that is zeros it takes no room.
 */
function unpacked(name: string): string {
  const packed = file(name);
  if (!name.endsWith(".gz")) return packed;
  const at = path.join(folder, name.slice(0, -".gz".length));
  if (!existsSync(at)) writeSparse(at, gunzip(readFileSync(packed)));
  return at;
}

const PIECE = 2 ** 20;
const ZEROS = Buffer.alloc(PIECE);

function writeSparse(at: string, bytes: Uint8Array): void {
  const fd = openSync(at, "w");
  for (let offset = 0; offset < bytes.length; offset += PIECE) {
    const piece = bytes.subarray(offset, offset + PIECE);
    if (ZEROS.compare(piece, 0, piece.length, 0, piece.length) !== 0)
      writeSync(fd, piece, 0, piece.length, offset);
  }
  ftruncateSync(fd, bytes.length);
  closeSync(fd);
}

/** Takes seconds to be unpacked, as most of it is memory. */
const isLarge = (name: string): boolean =>
  name.endsWith(".gz") && readFileSync(file(name)).readUInt32LE(statSync(file(name)).size - 4) > 2 ** 26;

type Tables = Answer["tables"];
/** The entries of `map --raw --output json`. */
const tablesOf = (stdout: string): Tables =>
  Object.fromEntries(
    JSON.parse(stdout).map(
      ({ liobn, entries, tces }: { liobn: string; entries: number; tces: [number, string][] }) => [
        liobn,
        { entries, tces: Object.fromEntries(tces) },
      ],
    ),
  );
const rawOf = async (name: string, input?: Uint8Array): Promise<Tables> => {
  const { status, stdout, stderr } = await cli(["map", name, "--raw", "--output", "json"], input);
  expect([status, stderr]).toEqual([0, ""]);
  return tablesOf(stdout);
};

describe.each(READABLE)("$file", ({ file: name, container, streamOffset, machine, tables }) => {
  it("has the entries that another reader found", async () => {
    expect(await rawOf(unpacked(name))).toEqual(tables);
  });

  it("is told of with what it is in", async () => {
    // That gzip is told of is seen in the small ones.
    const [from, within] = isLarge(name) ? [unpacked(name), container.slice(1)] : [file(name), container];
    const { stdout } = await cli(["info", from, "--output", "json"]);
    const rows = JSON.parse(stdout);
    expect(rows).toHaveLength(Object.keys(tables).length);
    for (const row of rows) expect(row).toMatchObject({ container: within, streamOffset, machine });
  });
});

it.each(some(READABLE, 3))("$file has nothing wrong with it", async ({ file: name }) => {
  const { status, stdout } = await cli(["check", unpacked(name)]);
  expect([status, stdout]).toEqual([0, expect.stringMatching(/, nothing found\n$/)]);
});

it.each(some(READABLE, 3))(
  "$file becomes a plain stream with the same entries",
  async ({ file: name, machine, tables }) => {
    const plain = path.join(folder, `${name}.mig`);
    const { status, stderr } = await cli(["convert", unpacked(name), plain]);
    expect([status, stderr]).toEqual([0, expect.stringMatching(/pages? of guest memory made zero\n$/)]);
    expect(readFileSync(plain).subarray(0, 8)).toEqual(Buffer.from("QEVM\0\0\0\x03", "latin1"));
    expect(await rawOf(plain)).toEqual(tables);
    const { stdout } = await cli(["info", plain, "--output", "json"]);
    expect(JSON.parse(stdout)[0]).toMatchObject({ container: ["stream"], streamOffset: 0, machine });
  },
);

describe("a saved machine of libvirt's", () => {
  it("that takes a program which is not there is refused with its name", async () => {
    const given = process.env.PATH;
    process.env.PATH = "/nowhere";
    try {
      for (const { file: name } of [...REFUSED, { file: "libvirt9-save-xz.img.gz" }]) {
        const { status, stderr } = await cli(["info", file(name)]);
        expect([status, stderr]).toEqual([63, expect.stringContaining("the program xz is needed")]);
      }
    } finally {
      process.env.PATH = given;
    }
  });

  it("is told of with its domain", async () => {
    const { stdout } = await cli(["info", file("libvirt9-save-raw.img.gz")]);
    expect(stdout).toMatch(/^saved in: gzip, libvirt-save, stream/m);
    expect(stdout).toMatch(/^domain: dq1, 256 MiB, 1 PCI host bridge, 1 VIO device$/m);
    expect(stdout).toMatch(/^ {2}virtio-blk-pci \(bridge 0, slot 2\), qemu-xhci/m);
    const json = await cli(["info", unpacked("libvirt12-save-sparse.img.gz"), "--output", "json"]);
    expect(JSON.parse(json.stdout)[0].domain).toMatchObject({
      name: "dq2",
      ramBytes: 2 ** 28,
      bridges: [0],
      pciDevices: [{ model: "virtio-blk-pci" }, { model: "qemu-xhci" }, { model: "virtio-balloon-pci" }],
    });
  });

  it("is a description of a machine", async () => {
    const { status, stdout } = await cli(["plan", file("libvirt9-save-raw.img.gz"), "--kernel", "6.12"]);
    expect(status).toBeLessThan(4);
    expect(stdout).toContain("0x80000000");
  });

  it("whose XML is damaged is told of without it, with a warning", async () => {
    const bytes = gunzip(readFileSync(file("libvirt9-save-raw.img.gz")));
    const damaged = path.join(folder, "damaged.img");
    writeFileSync(damaged, bytes.with(93, 0x3c));
    const { status, stdout, stderr } = await cli(["info", damaged]);
    expect([status, stdout]).toEqual([3, expect.stringContaining("tce-iommu-80000000")]);
    expect(stderr).toMatch(/warning: the description that libvirt put into it cannot be read: /);
  });
});

describe("a disk with snapshots", () => {
  it("has the machine of a snapshot", async () => {
    const disk = file("savevm-11.1.qcow2.gz");
    const { stdout } = await cli(["info", disk, "--snapshot", "snap1"]);
    expect(stdout).toMatch(/^snapshot "snap1" \(2026-11-27T[\d:]+Z, 3\.62 MiB of machine, shown here\)$/m);
    for (const verb of ["map", "check"]) {
      const { status, stderr } = await cli([verb, disk, "--snapshot", "snap2"]);
      expect([status, stderr]).toEqual([
        1,
        expect.stringMatching(
          /savevm-11\.1\.qcow2\.gz: no saved machine of the name "snap2"; there are "snap1"\n$/,
        ),
      ]);
    }
    expect((await cli(["map", disk, "--snapshot", "snap1"])).stdout).toContain("LIOBN 0x80000000");
  });
});

describe("logs of running machines", () => {
  it.each([
    { name: "msg-timestamp-11.1.log.gz", events: 14, refused: [12] },
    { name: "libvirt9-domain.log.gz", events: 13, refused: [352, 353] },
  ])("$name has $events events and refused calls", async ({ name, events, refused }) => {
    const { status, stdout } = await cli(["check", file(name), "--output", "json"]);
    expect(status).toBe(3);
    const [report] = JSON.parse(stdout).files;
    expect(report.events).toBe(events);
    expect(
      report.findings.map(({ kind, lines }: { kind: string; lines: number[] }) => [kind, lines]),
    ).toEqual(refused.map((line) => ["refused-call", [line]]));
  });

  it("slof-e1000-11.1.log.gz has 266 puts, and nothing wrong", async () => {
    expect((await cli(["check", file("slof-e1000-11.1.log.gz")])).status).toBe(0);
    const { stdout } = await cli(["stat", file("slof-e1000-11.1.log.gz"), "--output", "json"]);
    expect(stdout).toMatch(/266/);
  });
});

it("a packed file with a flipped bit or more behind it is used as far as it goes, with a warning", async () => {
  const log = readFileSync(file("slof-e1000-11.1.log.gz"));
  const noisy = path.join(folder, "noisy.log.gz");
  writeFileSync(noisy, Buffer.concat([log, Buffer.from("and more")]));
  const more = await cli(["check", noisy, "--output", "json"]);
  const [report] = JSON.parse(more.stdout).files;
  expect(report.events).toBe(345);
  expect(report.findings).toMatchObject([
    { kind: "truncated", message: expect.stringContaining(`the gzip data ends at byte ${log.length}`) },
  ]);
  const flipped = path.join(folder, "flipped.log.gz");
  writeFileSync(flipped, new Uint8Array(log).with(log.length - 3, log[log.length - 3]! ^ 1));
  const result = await cli(["map", flipped]);
  expect(result.status).toBe(3);
  expect(result.stderr).toMatch(/warning: the gzip data is damaged before byte \d+ of it/);
});
