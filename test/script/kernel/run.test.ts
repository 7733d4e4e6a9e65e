import { describe, expect, it } from "vitest";
import { parseKernelScript } from "../../../src/formats/kernel-script/parse.ts";
import { profileOf, runKernelScript } from "../../../src/script/kernel/run.ts";
import { readCorpus } from "../../helpers/corpus.ts";

const HEADER = new TextDecoder().decode(readCorpus("vfio", "01-lifecycle.jsonl")).split("\n")[0]!;

/** Runs `op key=value` lines; answers what each returned, as the error's name if it is one. */
function run(lines: readonly string[], hazards: unknown[] = [], header = HEADER): (number | string)[] {
  const json = lines.map((line) => {
    const [op, ...args] = line.split(" ");
    const pairs = args.map((arg) => arg.split("=") as [string, string]);
    const values = pairs.map(([key, value]) => [key, `0x${BigInt(value).toString(16)}`]);
    return JSON.stringify({ op, args: Object.fromEntries(values) });
  });
  const script = parseKernelScript([header, ...json].join("\n"), "test");
  const results = [...runKernelScript(script, { onHazard: (hazard) => hazards.push(hazard) })];
  return results.map((result) => result.errno ?? result.ret);
}

const START = ["open_container c=0", "open_group g=0", "set_container g=0 c=0", "set_iommu c=0 type=7"];

const START_JSON = [
  '{"op":"open_container","args":{"c":"0x0"}}',
  '{"op":"open_group","args":{"g":"0x0"}}',
  '{"op":"set_container","args":{"g":"0x0","c":"0x0"}}',
  '{"op":"set_iommu","args":{"c":"0x0","type":"0x7"}}',
];

describe("runKernelScript", () => {
  it.each([
    {
      name: "what is not open",
      lines: ["close_container c=0", "close_group g=1", "enable c=3"],
      end: ["EBADF", "EBADF", "EBADF"],
    },
    {
      name: "a group that is not there",
      lines: ["open_group g=2", "open_device g=2"],
      end: ["ENOENT", "EBADF"],
    },
    {
      name: "KVM before it starts",
      lines: ["kvm_create_tce t=0 liobn=1 size=1", "h_get_tce liobn=1 ioba=0"],
      end: ["EBADF", "ENODEV"],
    },
    { name: "a second start of KVM", lines: ["kvm_start", "kvm_start"], end: [0, "EEXIST"] },
    {
      name: "KVM in a child: it serves its own address space only",
      lines: ["kvm_start", "kvm_create_tce t=0 liobn=1 size=1 child=1", "h_get_tce liobn=1 ioba=0 child=1"],
      end: [0, "EIO", "EIO"],
    },
    {
      name: "a group that a child opens: it closes with the child",
      lines: ["open_group g=0 child=1", "open_group g=0", "open_group g=0 child=1"],
      end: [0, 0, "EBUSY"],
    },
    {
      name: "a device that is opened twice and closed once",
      lines: [...START, "open_device g=0", "open_device g=0", "close_device g=0", "unset_container g=0"],
      end: [0, 0, 0, "EBUSY"],
    },
    {
      name: "a group that closes before its device",
      lines: [
        ...START,
        "open_device g=0",
        "close_group g=0",
        "open_group g=0",
        "close_device g=0",
        "open_group g=0",
      ],
      end: [0, 0, "EBUSY", 0, 0],
    },
    {
      name: "memory that a child registers: the container is the child's",
      lines: [...START, "register c=0 vaddr=0x1000000000 size=0x10000 child=1", "get_info c=0"],
      end: [0, "EPERM"],
    },
    {
      name: "requests by number, with no argument",
      lines: [
        ...START,
        "raw c=0 cmd=0x20003b64",
        "raw c=0 cmd=0x20003b71",
        "raw c=0 cmd=0x20003b75",
        "raw c=0 cmd=0x20003b73",
      ],
      end: [0, "EPERM", "EFAULT", "ENOTTY"],
    },
    {
      name: "a device's registers and its buffer",
      lines: [
        ...START,
        "open_device g=0",
        "device_reg g=0 reg=0",
        "dma_read g=0 iova=0 len=0x1001",
        "device_reg g=1 reg=0",
      ],
      end: [0, 0, "EINVAL", "ENODEV"],
    },
    {
      name: "memory that is not there, or not all",
      lines: [
        "peek vaddr=0x1003000000",
        "peek vaddr=0x1002fffffc",
        "peek vaddr=0xffffffffffffffff",
        "poke vaddr=0x1200000000 val=1",
      ],
      end: ["EIO", -1, "EINVAL", "EFAULT"],
    },
  ])("$name", ({ lines, end }) => {
    expect(run(lines).slice(-end.length)).toEqual(end);
  });

  it("takes the profile from the header's kernel", () => {
    const { header } = parseKernelScript(HEADER, "test");
    expect(profileOf(header).name).toBe("linux-6.12");
    expect(profileOf({ ...header, kernel: "6.1.0-47-powerpc64le" }).name).toBe("linux-6.1");
  });

  it("tells of hypercalls and requests for which a real kernel has no defined answer", () => {
    const hazards: unknown[] = [];
    const lines = [
      "kvm_start",
      "kvm_create_tce t=0 liobn=1 size=1",
      "h_stuff_tce liobn=1 ioba=0 tce=0 npages=0xffffffffffffffff",
      ...START,
      "register c=0 vaddr=0x1000000000 size=0x10000",
      "unmap c=0 iova=0x7ffff000 size=0x2000",
    ];
    expect(run(lines, hazards).at(-1)).toBe("EINVAL");
    expect(hazards).toMatchObject([{ call: "H_STUFF_TCE" }, { request: "UNMAP", iova: 0x7fff_f000n }]);
  });
});

describe("the levels of the header", () => {
  const single = HEADER.replace('"levels":"0x5"', '"levels":"0x1"');
  const create = (size: string, levels: number, shift = 16): string =>
    `create c=0 shift=${shift} size=${size} levels=${levels}`;

  it("are what GET_INFO tells", () => {
    const script = parseKernelScript(
      [single, ...START_JSON, '{"op":"get_info","args":{"c":"0x0"}}'].join("\n"),
      "test",
    );
    expect([...runKernelScript(script)].at(-1)).toMatchObject({ ret: 0, out: { levels: "0x1" } });
  });

  it("are the most that a window may have: a nested guest of 256 GiB on a host without multi-level tables", () => {
    // One level of so many entries would be 32 MiB in one piece.
    const windows = [create("0x4000000000", 1), create("0x4000000000", 2), create("0x1000000000", 1)];
    expect(run([...START, ...windows], [], single).slice(-3)).toEqual(["ENOMEM", "EINVAL", 0]);
    expect(run([...START, ...windows]).slice(-3)).toEqual(["ENOMEM", 0, "ENOSPC"]);
  });

  it.each(["0x0", "0x6"])("%s is an error", (levels) => {
    const header = HEADER.replace('"levels":"0x5"', `"levels":"${levels}"`);
    expect(() => parseKernelScript(header, "test")).toThrow(/test:1:.*"levels" is \d, not 1 to 5/);
  });
});

describe("windows smaller than a page", () => {
  // Pages of 1 GiB, two levels; the lock limit of 0 bytes would refuse whatever is charged.
  it.each(["0x10000000", "0x4000000"])("of %s bytes are EINVAL, and no page is charged", (size) => {
    const withDefault = [...START, "register c=0 vaddr=0x1000000000 size=0x10000", "unmap c=0 iova=0 size=0"];
    const lines = [...withDefault, "rlimit bytes=0", "cap_ipc_lock on=0"];
    expect(run([...lines, `create c=0 shift=30 size=${size} levels=2`]).at(-1)).toBe("EINVAL");
  });
});
