import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import { readMachineFile } from "../../src/cli/machine-file.ts";
import { parseYaml } from "../../src/cli/yaml.ts";
import { plainValue } from "../helpers/plain-value.ts";
import { scratchFolder } from "../helpers/scratch.ts";
import { cli } from "./cli.ts";
import { refuseHostile } from "./hostile-machines.ts";
import { SCHEMAS } from "./schemas.ts";

const CASES = path.resolve(import.meta.dirname, "../cases/machines");
const YAML = path.join(CASES, "two-bridges.yaml");
const folder = scratchFolder();

const file = (name: string, text: string): string => {
  const at = path.join(folder, name);
  writeFileSync(at, text);
  return at;
};
const read = (text: string): ReturnType<typeof readMachineFile> =>
  readMachineFile(file("machine.yaml", text));

const validate = new Ajv2020({ strict: true, strictRequired: false }).compile(SCHEMAS.get("machine")!);

describe("a machine in a file of our own", () => {
  const wanted = {
    qemuVersion: "7.2.22",
    kernelVersion: "6.12",
    ramBytes: 2 ** 32,
    maxRamBytes: 2 ** 33,
    bridges: [
      { index: 0, pgsz: 0x1_1000n },
      { index: 2, ddw: false, dmaWinSize: 2n ** 31n },
    ],
    pciDevices: [
      { model: "nvme", id: "disk", bridge: 0, slot: 1, functionNumber: 0 },
      { model: "e1000", bridge: 2, slot: 0, functionNumber: 1 },
    ],
    vioDevices: [{ type: "spapr-vlan", reg: 0x7100_0003 }],
    dimms: [{ id: "d0", bytes: 2 ** 29 }],
    cpuPageSize: 4096,
    persistentMemory: false,
    accelerator: "tcg",
    steps: [
      { kind: "kexec" },
      { kind: "plug-memory", id: "d1", bytes: 2 ** 28 },
      { kind: "unplug-memory", id: "d0" },
      { kind: "set-masks", address: "0000:00:01.0", streaming: 64, coherent: 32 },
    ],
  };

  it("is YAML", async () => {
    expect(await readMachineFile(YAML)).toMatchObject(wanted);
  });

  it("is JSON with the same members, also with tabs", async () => {
    const value = plainValue(parseYaml(readFileSync(YAML, "utf8"), YAML));
    expect(await read(JSON.stringify(value))).toMatchObject(wanted);
    expect(await read(JSON.stringify(value, null, "\t"))).toMatchObject(wanted);
  });

  it("is the header of an op script", async () => {
    const header = { header: 1, qemu: "11.1.3", ramSize: "0x20000000", phbs: [{ index: 0, ddw: false }] };
    expect(await read(`${JSON.stringify(header)}\n{"op":"note","text":"x"}\n`)).toMatchObject({
      qemuVersion: "11.1.3",
      ramBytes: 2 ** 29,
      bridges: [{ index: 0, ddw: false }],
      pciDevices: [],
    });
  });

  it("follows its schema, which takes no other members", () => {
    const value = plainValue(parseYaml(readFileSync(YAML, "utf8"), YAML)) as Record<string, unknown>;
    expect(validate(value)).toBe(true);
    expect(validate({ ...value, cpus: 4 })).toBe(false);
    expect(validate({ ...value, steps: [{ kexec: { now: true } }] })).toBe(false);
    const { ram: _, ...rest } = value;
    expect(validate(rest)).toBe(false);
  });

  it.each([
    [
      "ram: 4G\nrom: 1G",
      ':2:1: unknown member "rom" of a machine, did you mean "ram"? There are ram, maxRam',
    ],
    ["maxRam: 4G", ':1:1: a machine without "ram"'],
    ["ram: 100M", ':1:6: "100M" is no multiple of 256 MiB'],
    ["ram: 0x8000000000000", ":1:6: 2251799813685248 is more than 1 PiB"],
    ["ram: 99999999999999999999T", ':1:6: "99999999999999999999T" does not fit into 64 bits'],
    ["ram: 0", ":1:6: 0 is less than 256 MiB"],
    [`ram: ${"9".repeat(5000)}`, `:1:6: ${"9".repeat(60)}… is more than 1 PiB`],
    [`ram: ${"9".repeat(5000)}T`, `:1:6: "${"9".repeat(60)}…" does not fit into 64 bits`],
    ["ram: lots", ':1:6: "lots": expected a size such as 4G'],
    ["ram: 4G\nmaxRam: 2G", ":2:9: maxRam is 2 GiB, but ram is 4 GiB ("],
    ["ram: 4G\nram: 8G", ':2:1: "ram" is here a second time'],
    [
      "ram: 4G\ndevices:\n  - model: nvmee",
      ':3:12: "nvmee" is no model of a PCI device, did you mean "nvme"?',
    ],
    ["ram: 4G\ndevices:\n  - {model: nvme, bridge: 3}", ":3:5: there is no bridge 3"],
    [
      "ram: 4G\ndevices: [{model: nvme, slot: 1}, {model: nvme, slot: 1}]",
      ":2:35: slot 1, function 0 has a device",
    ],
    ["ram: 4G\ndevices: {model: nvme}", ":2:10: an object: expected a list"],
    ["ram: 4G\nbridges: [{index: 31}]", ":2:19: 31: expected a whole number from 0 to 30"],
    ["ram: 4G\nbridges: [{index: 1}]", ":2:19: bridge 1 is the first: that always has index 0"],
    ["ram: 4G\nbridges: [{index: 0}, {index: 0}]", ":2:31: there is a bridge 0 already"],
    [
      "ram: 4G\nvio: [{type: spapr-vlann}]",
      ':2:14: "spapr-vlann" is no VIO device, did you mean "spapr-vlan"?',
    ],
    ["ram: 4G\nvio: [{type: spapr-vlan, reg: 1}, {type: spapr-vscsi, reg: 1}]", ":2:6: "],
    ["ram: 4G\ndimms: [{id: a, size: 1G}]", ":2:8: modules of 1 GiB do not fit: 0 B can be plugged"],
    ["ram: 4G\nkernel: 6.12", ":2:9: 6.12: expected a text"],
    ['ram: 4G\nkernel: "2.6"', ':2:9: no kernel "2.6": there are linux-6.1'],
    ["ram: 4G\nsteps:\n  - rebot", ':3:5: unknown step "rebot": there are reset, kexec'],
    // What every object of JavaScript has.
    ["ram: 4G\nsteps:\n  - toString", ':3:5: unknown step "toString": there are reset, kexec'],
    ["ram: 4G\nsteps:\n  - __proto__: {}", ':3:5: unknown step "__proto__": there are reset, kexec'],
    [
      "ram: 4G\nsteps:\n  - plug-memory: {id: a, size: 1G}",
      ":3:5: a module of 1 GiB does not fit: 0 B can be",
    ],
    ["ram: 4G\nsteps:\n  - unplug-memory: {id: a}", ':3:5: there is no module "a"'],
    ["ram: 4G\nsteps:\n  - {kexec: {}, reset: {}}", ":3:5: an object: expected one step"],
    ["ram: [4G", ":1:9: "],
    ["ram: *x", ':1:6: there is no anchor "x" before this alias'],
    ["ram: !!int 4", ":1:12: tags such as tag:yaml.org,2002:int are not read"],
    ["ram: 4G\n---\nram: 4G", ":2:1: a second document"],
    [
      '{"ram": "4G", "devices": [{"model": "nvme", "bridg": 0}]}',
      ':1:45: unknown member "bridg" of a device',
    ],
    ['{"ram": }', ":1:9: null: expected a size"],
  ])("is refused with its place: %s", async (text, message) => {
    const error = await read(text).then(
      () => undefined,
      (cause: Error) => cause,
    );
    expect(error?.message).toContain(`machine.yaml${message}`);
  });

  it("may use an alias for what is there twice", async () => {
    const text = "ram: 4G\nbridges: [{index: 0, ddw: &d false}, {index: 1, ddw: *d}]";
    expect(await read(text)).toMatchObject({ bridges: [{ ddw: false }, { ddw: false }] });
  });
});

describe("a hostile file", () => refuseHostile("quick"));

describe("exec --machine", () => {
  const PUT = '{"op":"h_put_tce","liobn":"0x80000000","ioba":"0x1000","tce":"0x2003"}';
  const machine = file(
    "m.yaml",
    'ram: 512M\nqemu: "7.2.22"\nbridges:\n  - index: 0\n    pgsz: 0x11000\nvio:\n  - {type: spapr-vlan}',
  );
  const exec = async (name: string, text: string) =>
    await cli(["exec", "--machine", machine, file(name, text)]);

  it("runs a script without a header on the machine", async () => {
    const { status, stdout } = await exec("bare.jsonl", `${PUT}\n`);
    expect(status).toBe(0);
    const [header, line] = stdout.trimEnd().split("\n");
    expect(JSON.parse(header!)).toMatchObject({
      header: 1,
      profile: "qemu-7.2",
      ramSize: "0x20000000",
      phbs: [{ index: 0, pgsz: "0x11000" }],
      vio: ["spapr-vlan"],
    });
    expect(JSON.parse(line!)).toMatchObject({ result: { ret: 0 } });
  });

  it("takes a header that agrees, and fills in what it does not say", async () => {
    const header = '{"header":1,"title":"t","ramSize":"0x20000000","phbs":[{"index":0,"ddw":true}]}';
    const { status, stdout } = await exec("same.jsonl", `${header}\n${PUT}\n`);
    expect(status).toBe(0);
    expect(JSON.parse(stdout.split("\n")[0]!)).toMatchObject({ title: "t", phbs: [{ pgsz: "0x11000" }] });
  });

  it.each([
    [
      '"ramSize":"0x10000000"',
      ":1:23: the script's header says ramSize 256 MiB, but ",
      "m.yaml:1:6 says 512 MiB",
    ],
    ['"qemu":"11.1.3"', ":1:20: the script's header says QEMU 11.1.3, but ", "m.yaml:2:7 says 7.2.22"],
    ['"phbs":[{"index":0},{"index":1}]', "says bridges 0, 1, but ", "m.yaml:4:3 says bridges 0"],
    [
      '"phbs":[{"index":0,"pgsz":"0x1000"}]',
      "says pgsz 0x1000 of bridge 0, but ",
      "m.yaml:5:11 says 0x11000",
    ],
    [
      '"phbs":[{"index":0,"dmaWinSize":"0x1000"}]',
      "says dmaWinSize 0x1000 of bridge 0, but ",
      " says 0x40000000",
    ],
    ['"vio":["spapr-vscsi"]', "says VIO devices spapr-vscsi, but ", "m.yaml:7:3 says spapr-vlan"],
  ])("names both values and both places: %s", async (member, ours, theirs) => {
    const { status, stderr } = await exec("other.jsonl", `{"header":1,${member}}\n${PUT}\n`);
    expect(status).toBe(1);
    expect(stderr).toContain(ours);
    expect(stderr).toContain(theirs);
  });

  it("refuses a recording of a host's kernel", async () => {
    const { status, stderr } = await exec("kernel.jsonl", '{"header":{"kernel":"6.12"}}\n');
    expect(status).toBe(1);
    expect(stderr).toContain("a description of a machine says nothing of");
  });
});
