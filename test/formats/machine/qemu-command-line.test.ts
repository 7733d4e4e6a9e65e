import { describe, expect, it } from "vitest";
import { machineOfCommandLine } from "../../../src/formats/machine/qemu-command-line.ts";
import { readMachine } from "../../../src/formats/machine/read-machine.ts";
import { shellWords } from "../../../src/formats/machine/shell-words.ts";
import { devicesOf, QEMU_DEVICES } from "./qemu-devices.ts";

describe("words of a command line", () => {
  it.each([
    ["a b  c", ["a", "b", "c"]],
    ["-append 'console=hvc0 x' \"y z\"", ["-append", "console=hvc0 x", "y z"]],
    ['a\\ b "c\\"d" "e\\f"', ["a b", 'c"d', "e\\f"]],
    ["a \\\n  b # a comment\nc", ["a", "b", "c"]],
    ["a \\\r\n  b # a comment\r\nc\r\n", ["a", "b", "c"]],
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
  it.each(["1.5G", "1536M", "1536", "0.0015T,slots=0"])("reads sizes as QEMU does: -m %s", (size) => {
    const read = () => machineOfCommandLine(`qemu-system-ppc64 -M pseries -m ${size} -nodefaults`).ramBytes;
    if (size.startsWith("0.")) expect(read).toThrow("is no multiple of 256 MiB");
    else expect(read()).toBe(1536 * 2 ** 20);
  });

  it("has no parts of a number that is no size", () => {
    const option = "spapr-pci-host-bridge,index=1.5";
    expect(() => machineOfCommandLine(`qemu -M pseries -nodefaults -device ${option}`)).toThrow(
      `"${option}": index=1.5 is no number`,
    );
  });

  it.each([
    ["pseries", undefined],
    ["pseries-4.1", undefined],
    ["pseries-7.2", "7.2"],
    ["pseries-9.2,usb=off", "9.2"],
    ["pseries-10.1", "10.1"],
  ])("is of no QEMU that does not have its machine type: %s", (type, version) => {
    const { qemuVersion } = machineOfCommandLine(`qemu-system-ppc64 -M ${type} -m 1G -nodefaults`);
    expect(qemuVersion).toBe(version);
  });

  it.each([
    "exec ",
    "  sudo nohup env FOO=1 ",
    "LC_ALL=C taskset -c 0-3 nice -n 10 /opt/qemu/bin/",
    "if true; then\n\texec numactl -N 0 ",
  ])("is found in a script, behind %j", (before) => {
    const script = `#!/bin/sh\n# qemu is started here\n${before}qemu-system-ppc64 -M pseries -m 2G \\\n  -nodefaults &\nfi\n`;
    expect(readMachine(script, "start.sh")?.ramBytes).toBe(2 ** 31);
  });

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
        // The bus of the bridge that came last is the first with room.
        { model: "nvme", bridge: 3, bus: 0, slot: 0, functionNumber: 0 },
        { model: "e1000", bridge: 3, bus: 0, slot: 4, functionNumber: 2 },
        { model: "virtio-blk-pci", bridge: 3, bus: 0, slot: 1, functionNumber: 0 },
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

  it.each(QEMU_DEVICES)("has the devices that QEMU makes of it: %s", (options, devices) => {
    expect(devicesOf(machineOfCommandLine(`qemu-system-ppc64 -M pseries ${options}`))).toEqual(devices);
  });

  it("has memory by NUMA node", () => {
    const nodes = (options: string): readonly number[] | undefined =>
      machineOfCommandLine(
        `-m 2G -object memory-backend-ram,id=m0,size=512M -object memory-backend-ram,id=m1,size=1536M ${options}`,
      ).memoryNodes;
    expect(nodes("")).toBeUndefined();
    expect(nodes("-numa node,memdev=m0,cpus=0 -numa node,memdev=m1")).toEqual([2 ** 29, 3 * 2 ** 29]);
    expect(nodes("-numa node,nodeid=1,memdev=m0 -numa node,nodeid=0,memdev=m1")).toEqual([
      3 * 2 ** 29,
      2 ** 29,
    ]);
    expect(nodes("-numa node,mem=1536 -numa node,mem=512M -numa node -numa dist,src=0,dst=1,val=20")).toEqual(
      [3 * 2 ** 29, 2 ** 29, 0],
    );
  });

  it("names what it does not look at", () => {
    const { remarks } = machineOfCommandLine(
      "qemu -soundhw hda -device vfio-pci,host=0001:01:00.0 -device nvme,bus=pci.7 -m 1G -m 2G",
    );
    expect(remarks).toEqual([
      "-soundhw hda: the devices that it adds are not looked at",
      "-m 1G and -m 2G: the last one holds",
      "-device VGA: what its driver asks for is not known here",
      "-device vfio-pci: what its driver asks for is not known here",
      "-device nvme,bus=pci.7: there is no bridge with the bus pci.7: it is not looked at",
    ]);
  });

  it("does not say of a device that it does not know that DMA does not depend on it", () => {
    const { remarks } = machineOfCommandLine(
      "qemu -m 1G -vga none -device usb-mouse -device scsi-hd,drive=d -device power9_v2.0-spapr-cpu-core -device foo-pci,id=x",
    );
    expect(remarks).toEqual([
      "-device foo-pci: not known here: if it is a PCI device, it is missing",
      expect.stringMatching(
        /^not looked at, .*: .*-device usb-mouse -device scsi-hd -device power9_v2.0-spapr-cpu-core$/,
      ),
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
    ["-m 1G -numa node,mem=512M", "-numa: the nodes have 512 MiB of memory together, and -m says 1 GiB"],
    ["-numa node,memdev=m7", '"node,memdev=m7": there is no -object with the id m7'],
    [
      "-numa node,nodeid=999999999,mem=1G",
      '"node,nodeid=999999999,mem=1G": nodeid=999999999: there are nodes 0 to 127',
    ],
    [
      "-device nvme,addr=3 -device e1000,addr=3",
      '"e1000,addr=3": slot 3, function 0 of the bus pci.0 has nvme already',
    ],
    [
      "-device spapr-vlan,reg=0x71000005 -device spapr-vscsi,reg=0x71000005",
      '"spapr-vscsi,reg=0x71000005": a device has the unit address reg=1895825413 already',
    ],
    ["-drive if=scsi,index=99999", '"if=scsi,index=99999": index=99999 is no place of a disc'],
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
