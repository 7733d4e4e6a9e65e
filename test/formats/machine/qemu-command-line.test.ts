import { describe, expect, it } from "vitest";
import { machineOfCommandLine } from "../../../src/formats/machine/qemu-command-line.ts";
import { readMachine } from "../../../src/formats/machine/read-machine.ts";
import { shellWords } from "../../../src/formats/machine/shell-words.ts";

describe("words of a command line", () => {
  it.each([
    ["a b  c", ["a", "b", "c"]],
    ["-append 'console=hvc0 x' \"y z\"", ["-append", "console=hvc0 x", "y z"]],
    ['a\\ b "c\\"d" "e\\f"', ["a b", 'c"d', "e\\f"]],
    ["a \\\n  b # a comment\nc", ["a", "b", "c"]],
    ["'' x", ["", "x"]],
    ["a'b'\"c\"d", ["abcd"]],
    ["qemu\0-m\x001G\0", ["qemu", "-m", "1G"]],
  ])("%j", (text, words) => {
    expect(shellWords(text)).toEqual(words);
  });

  it("names the line of a quote without its end", () => {
    expect(() => shellWords("a\nb 'c")).toThrow("line 2: ' without its end");
  });
});

describe("a command line of QEMU's", () => {
  it("describes a machine", () => {
    const machine = machineOfCommandLine(
      "qemu-system-ppc64 -M pseries,accel=kvm -m 1536M,slots=4,maxmem=8G -nodefaults -nographic " +
        "-global spapr-pci-host-bridge.pgsz=0x11000 -device spapr-pci-host-bridge,index=3,dma_win_size=0x80000000 " +
        "-device nvme,serial=n0 -device e1000,bus=pci.1,addr=0x4.2 -device virtio-blk-pci,bus=pci.1 " +
        "-device spapr-vscsi,reg=0x71000003 -object memory-backend-ram,id=m0,size=512M -device pc-dimm,memdev=m0,id=d0 " +
        "-device nvdimm,memdev=m0",
    );
    expect(machine).toMatchObject({
      ramBytes: 1536 * 2 ** 20,
      maxRamBytes: 2 ** 33,
      accelerator: "kvm",
      bridges: [
        { index: 0, pgsz: 0x11000n },
        { index: 3, pgsz: 0x11000n, dmaWinSize: 0x8000_0000n },
      ],
      pciDevices: [
        { model: "nvme", bridge: 0, slot: 0, functionNumber: 0 },
        { model: "e1000", bridge: 3, slot: 4, functionNumber: 2 },
        { model: "virtio-blk-pci", bridge: 3, slot: 0, functionNumber: 0 },
      ],
      vioDevices: [{ type: "spapr-vscsi", reg: 0x7100_0003 }],
      dimms: [{ id: "d0", bytes: 2 ** 29 }],
      persistentMemory: true,
    });
    expect(machine.remarks).toEqual(["not looked at, as DMA does not depend on it: -nographic"]);
  });

  it("is read as libvirt writes it, with JSON and zero bytes", () => {
    const words = [
      "/usr/bin/qemu-system-ppc64",
      "-m",
      "size=2097152k,slots=16,maxmem=4194304k",
      "-nodefaults",
      "-device",
      '{"driver":"spapr-pci-host-bridge","index":1,"id":"pci.1"}',
      "-device",
      '{"driver":"nvme","bus":"pci.1.0","addr":"0x2"}',
    ];
    expect(machineOfCommandLine(`${words.join("\0")}\0`)).toMatchObject({
      ramBytes: 2 ** 31,
      maxRamBytes: 2 ** 32,
      bridges: [{ index: 0 }, { index: 1 }],
      pciDevices: [{ model: "nvme", bridge: 1, slot: 2 }],
    });
  });

  it("names what it does not look at", () => {
    const { remarks } = machineOfCommandLine(
      "qemu -vga std -device vfio-pci,host=0001:01:00.0 -device nvme,bus=pci.7 -m 1G -m 2G",
    );
    expect(remarks).toEqual([
      "-vga std: the devices that it adds are not looked at",
      "-m 1G and -m 2G: the last one holds",
      "-device vfio-pci: what its driver asks for is not known here",
      "-device nvme,bus=pci.7: there is no bridge with the bus pci.7: it is not looked at",
      "without -nodefaults QEMU adds devices of its own (a display, spapr-vlan, spapr-vscsi): they are not looked at",
    ]);
  });

  it.each([
    ["-m 100M", "-m 100M: 100 MiB is no multiple of 256 MiB, which memory comes in"],
    ["-m 4G,slots=2,maxmem=1G", "-m 4G,slots=2,maxmem=1G: maxmem is below the memory that is there"],
    ["-m lots", '"-m lots": size=lots is no number'],
    ["-m 999999T", "-m 999999T: 999999T is more than 1 PiB"],
    ["-M q35", "-machine q35: only pseries machines have sPAPR windows"],
    ["-device", "-device without its value"],
    ["-device spapr-pci-host-bridge", '"spapr-pci-host-bridge" has no index'],
    ["-device spapr-pci-host-bridge,index=0", '"spapr-pci-host-bridge,index=0": there is a bridge 0 already'],
    ["-device spapr-pci-host-bridge,index=1,ddw=maybe", "ddw=maybe is neither on nor off"],
    ["-device nvme,addr=99", '"nvme,addr=99": a bus has 32 slots'],
    ["-device nvme,addr=x", '"nvme,addr=x": addr=x is no slot'],
    ["-device pc-dimm,memdev=m7", '"pc-dimm,memdev=m7": there is no -object with the id m7'],
    ["-device '{\"driver\"'", "is no JSON"],
  ])("is refused with option and value: %s", (options, message) => {
    expect(() => machineOfCommandLine(`qemu-system-ppc64 ${options}`)).toThrow(message);
  });

  it("is known from other text", () => {
    expect(readMachine("some text of somebody's", "x")).toBeUndefined();
    expect(readMachine('{"a":1}', "x")).toBeUndefined();
    expect(readMachine("{ no JSON", "x")).toBeUndefined();
    expect(readMachine("-m 2G", "x")?.ramBytes).toBe(2 ** 31);
    expect(() => readMachine("qemu-system-ppc64 -m 1", "machine.txt")).toThrow("machine.txt: -m 1: 1 MiB");
  });
});
