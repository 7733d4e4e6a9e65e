import { writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { readMachineFile } from "../../src/cli/machine-file.ts";
import { scratchFolder } from "../helpers/scratch.ts";

const folder = scratchFolder();
const DOMAIN = path.resolve(import.meta.dirname, "../cases/machines/domain.xml");

/** A machine of a text, in a file of its own. */
async function read(text: string, encoding: BufferEncoding = "utf8"): ReturnType<typeof readMachineFile> {
  const file = path.join(folder, "machine");
  writeFileSync(file, text, encoding);
  return await readMachineFile(file);
}

describe("a file that describes a machine", () => {
  it("is XML of a libvirt domain", async () => {
    expect(await readMachineFile(DOMAIN)).toMatchObject({
      ramBytes: 2 ** 33,
      maxRamBytes: 2 ** 36,
      accelerator: "kvm",
      kernelCommandLine: "console=hvc0 disable_ddw",
      bridges: [
        { index: 0, pgsz: 0x1_1000n },
        { index: 2, pgsz: 0x1_1000n },
      ],
      pciDevices: [
        { model: "virtio-blk-pci", bridge: 0, slot: 2, functionNumber: 0 },
        { model: "e1000e", bridge: 2, slot: 3, functionNumber: 1 },
        { model: "vfio-pci", bridge: 2, slot: 1, functionNumber: 0 },
      ],
      vioDevices: [{ type: "spapr-vscsi", reg: 0x2000 }],
      dimms: [{ bytes: 2 ** 30 }],
      remarks: ["-device vfio-pci: what its driver asks for is not known here", "not looked at: <sound>"],
    });
  });

  it("is no saved machine, which is named: it was said to be no UTF-8", async () => {
    for (const head of ["QEVM\0\0\0\u0003\u0007\0", "QFI\u{fb}"])
      await expect(read(head + "\0".repeat(20), "latin1")).rejects.toMatchObject({
        code: "UNSUPPORTED",
        message: expect.stringMatching(/: a saved machine, .* but no description/),
      });
  });

  it("is libvirt's log of a domain, of which the last start counts", async () => {
    const log = [
      "2026-11-27 22:34:14.768+0000: starting up libvirt version: 9.0.0, package: 9.0.0, qemu version: 7.2.22Debian 1:7.2, kernel: 6.1.0, hostname: host",
      "LC_ALL=C \\",
      "/usr/bin/qemu-system-ppc64 \\",
      "-m 512 \\",
      "-msg timestamp=on",
      "2026-11-27 22:35:00.000+0000: shutting down, reason=shutdown",
      "/usr/bin/qemu-system-ppc64 \\",
      "-nodefaults \\",
      "-machine pseries-4.1,usb=off \\",
      "-m size=1048576k,slots=2,maxmem=4194304k \\",
      `-device '{"driver":"nvme","bus":"pci.0","addr":"0x2"}'`,
      "char device redirected to /dev/pts/1 (label charserial0)",
    ];
    expect(await read(log.join("\n"))).toMatchObject({
      qemuVersion: "7.2.22",
      ramBytes: 2 ** 30,
      maxRamBytes: 2 ** 32,
      bridges: [{ index: 0, pgsz: 0x1_1000n }],
      pciDevices: [{ model: "nvme", slot: 2 }],
    });
  });

  it.each([
    ["<domain><memory unit='lots'>5</memory></domain>", 'machine: <memory>: "5 lots" is no size of memory'],
    ["<domain><memory>x</memory></domain>", '<memory>: "x" is no size of memory'],
    [
      "<domain><memory unit='MiB'>100</memory></domain>",
      "machine: -m 100M: 100 MiB is no multiple of 256 MiB",
    ],
    ["<network/>", "machine: <network> is no libvirt domain"],
    ["<domain><memory>1</domain>", "machine:1:26: unexpected close tag"],
    [`${"<a>".repeat(60)}`, "machine:1:153: more than 100000 elements, or 50 in one another"],
    ['<!DOCTYPE a [<!ENTITY b "c">]><domain><name>&b;</name></domain>', "undefined entity"],
    ["what is this?", "machine: no description of a machine: it should be YAML or JSON"],
    ["", "no description of a machine"],
  ])("is refused with its place: %s", async (text, message) => {
    await expect(read(text)).rejects.toThrow(message);
  });
});
