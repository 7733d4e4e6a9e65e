import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findQemu } from "../../src/live/qemu-program.ts";
import { doesVioDma, isVioDevice } from "../../src/spapr/vio.ts";
import { QEMU_DEVICES } from "../formats/machine/qemu-devices.ts";

const folder = mkdtempSync(join(tmpdir(), "spapr-iommu-devices-"));

/** What `info qtree` says of a machine that does not run. */
async function treeOf(options: string): Promise<string> {
  const words = ["-M", "pseries", "-S", "-display", "none", "-monitor", "stdio", ...options.split(" ")];
  const { program, firstArguments } = await findQemu();
  const qemu = spawn(program, [...firstArguments, ...words.filter(Boolean)], { cwd: folder });
  const texts: string[] = [];
  for (const stream of [qemu.stdout, qemu.stderr]) stream.on("data", (bytes) => texts.push(String(bytes)));
  qemu.stdin.end("info qtree\nquit\n");
  await new Promise((done) => qemu.on("close", done));
  return texts.join("");
}

/** A line of the tree, with those below it. */
interface Branch {
  readonly text: string;
  readonly below: Branch[];
}

function branchesOf(tree: string): Branch[] {
  const root: Branch = { text: "", below: [] };
  const open: { readonly indent: number; readonly branch: Branch }[] = [{ indent: -1, branch: root }];
  for (const line of tree.split(/\r?\n/)) {
    const indent = line.search(/\S/);
    if (indent < 0) continue;
    const branch = { text: line.trim(), below: [] };
    while (open.at(-1)!.indent >= indent) open.pop();
    open.at(-1)!.branch.below.push(branch);
    open.push({ indent, branch });
  }
  return root.below;
}

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");
const propertyOf = ({ below }: Branch, name: string): string =>
  below.find(({ text }) => text.startsWith(`${name} = `))!.text.slice(name.length + 3);
const isDevice = ({ text }: Branch): boolean => text.startsWith("dev: ");
const modelOf = ({ text }: Branch): string => /^dev: ([^,]+)/.exec(text)![1]!;
const busesOf = ({ below }: Branch): Branch[] => below.filter(({ text }) => text.startsWith("bus: "));

function devicesIn(tree: string): string[] {
  const found: string[] = [];
  let last = 0;
  const pci = (domain: number, bus: Branch, number: number): void => {
    const devices = bus.below.filter(isDevice);
    for (const device of devices)
      found.push(`${hex(domain, 4)}:${hex(number, 2)}:${propertyOf(device, "addr")} ${modelOf(device)}`);
    const order = (device: Branch): number => Number(`0x${propertyOf(device, "addr").replace(".", "")}`);
    for (const device of devices.sort((a, b) => order(a) - order(b)))
      if (modelOf(device) === "pci-bridge") pci(domain, busesOf(device)[0]!, ++last);
  };
  const walk = (branches: readonly Branch[]): void => {
    for (const branch of branches) {
      if (isDevice(branch) && modelOf(branch) === "spapr-pci-host-bridge") {
        last = 0;
        pci(Number(propertyOf(branch, "index").split(" ")[0]), busesOf(branch)[0]!, 0);
        continue;
      }
      const model = isDevice(branch) ? modelOf(branch) : "";
      if (isVioDevice(model) && doesVioDma(model))
        found.push(`${model}@${/0x(\w+)/.exec(propertyOf(branch, "reg"))![1]}`);
      walk(branch.below);
    }
  };
  walk(branchesOf(tree));
  return found.sort();
}

describe("the devices that a command line makes", () => {
  beforeAll(() => {
    for (const name of ["1.img", "2.img"]) {
      writeFileSync(join(folder, name), "");
      truncateSync(join(folder, name), 2 ** 20);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each(QEMU_DEVICES)("are those of QEMU: %s", async (options, devices) => {
    const tree = await treeOf(options);
    expect(tree).toContain("spapr-pci-host-bridge");
    expect(devicesIn(tree)).toEqual(devices);
  });
});
